//! The command line before it is parsed: separates the arguments of the AWS CLI, and reports
//! errors.

use std::{ffi::OsString, process::ExitCode};

use clap::{ColorChoice, CommandFactory as _, ValueEnum};

use crate::{Arguments, error::CommandError, output, output::Format, style};

/// The command whose arguments belong to another program.
const AWS: &str = "aws";
/// Ends beringia's own options.
const ESCAPE: &str = "--";

/// The words of the command line in the order in which clap parses them. Everything after `aws`
/// belongs to the AWS CLI, even `--help` and options with the names of ours, so it is moved behind
/// `--`. Our options, which precede `aws`, are moved behind it.
pub(crate) fn words(given: Vec<OsString>) -> Vec<OsString> {
    let Some(index) = command_index(&given).filter(|index| given[*index] == AWS) else {
        return given;
    };
    let (program, options, theirs) = (&given[..1], &given[1..index], &given[index + 1..]);
    let (aws, escape) = ([OsString::from(AWS)], [OsString::from(ESCAPE)]);
    [program, &aws, options, &escape, theirs].concat()
}

/// The index of the command's name: the first word that is neither an option nor the value of one.
fn command_index(given: &[OsString]) -> Option<usize> {
    let valued = valued_options();
    let mut index = 1;
    loop {
        let word = given.get(index)?.to_string_lossy();
        if !word.starts_with('-') {
            return Some(index);
        }
        let takes_next = word
            .strip_prefix("--")
            .is_some_and(|name| valued.iter().any(|valued| valued == name));
        index += if takes_next { 2 } else { 1 };
    }
}

/// The options that take a value and may precede `aws`.
fn valued_options() -> Vec<String> {
    let command = Arguments::command();
    let of_aws = command
        .find_subcommand(AWS)
        .into_iter()
        .flat_map(clap::Command::get_arguments);
    let all = command.get_arguments().chain(of_aws);
    let valued = all.filter(|argument| argument.get_action().takes_values());
    valued
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .collect()
}

/// Prints the help, or the error in the arguments. Format and colours follow the arguments,
/// although they could not be parsed.
pub(crate) fn refuse(error: &clap::Error, words: &[OsString]) -> ExitCode {
    style::choose(option_value(words, "color").unwrap_or(ColorChoice::Auto));
    let is_error = error.use_stderr();
    if is_error && option_value(words, "format") == Some(Format::Json) {
        output::set_error_format(Format::Json);
        output::failure(&CommandError::usage(message(error)));
    } else {
        output::help(&error.render().ansi().to_string(), is_error);
    }
    if is_error {
        CommandError::usage("").exit_code()
    } else {
        ExitCode::SUCCESS
    }
}

/// The value of one of our options, if it is given and valid.
fn option_value<V: ValueEnum>(words: &[OsString], option: &str) -> Option<V> {
    let ours = words.iter().take_while(|word| *word != ESCAPE);
    let ours: Vec<_> = ours.map(|word| word.to_string_lossy()).collect();
    let name = format!("--{option}");
    let next = |index: usize| ours.get(index + 1).map(|value| value.to_string());
    let mut values = ours
        .iter()
        .enumerate()
        .filter_map(|(index, word)| match word.strip_prefix(&name)? {
            "" => next(index),
            joined => joined.strip_prefix('=').map(str::to_owned),
        });
    values.next_back().and_then(|value| V::from_str(&value, false).ok())
}

/// The text of clap's error, without the usage that follows it.
fn message(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.split("\n\nUsage:").next().unwrap_or_default();
    let text = text.split("\n\nFor more information").next().unwrap_or_default();
    text.trim_start_matches("error: ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(given: &str) -> String {
        let given = given.split(' ').map(OsString::from).collect();
        let moved = words(given).into_iter().map(|word| word.into_string().unwrap());
        moved.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn arguments_after_aws_are_not_parsed() {
        assert_eq!(moved("beringia aws s3 --help"), "beringia aws -- s3 --help");
        assert_eq!(
            moved("beringia --color never --control http://h:1 aws --color off x"),
            "beringia aws --color never --control http://h:1 -- --color off x"
        );
        assert_eq!(moved("beringia --format=json aws"), "beringia aws --format=json --");
    }

    #[test]
    fn arguments_of_other_commands_are_unchanged() {
        for words in [
            "beringia status --format json",
            "beringia help aws",
            "beringia --log aws status",
            "beringia",
            "beringia --log",
        ] {
            assert_eq!(moved(words), words);
        }
    }

    #[test]
    fn format_of_an_error_is_found_in_invalid_arguments() {
        let option_value = |words: &str| {
            let words: Vec<_> = words.split(' ').map(OsString::from).collect();
            option_value::<Format>(&words, "format")
        };
        assert_eq!(option_value("beringia fly --format json"), Some(Format::Json));
        assert_eq!(option_value("beringia --format=json fly"), Some(Format::Json));
        assert_eq!(option_value("beringia --format xml fly"), None);
        assert_eq!(option_value("beringia aws -- --format json"), None);
        assert_eq!(option_value("beringia fly --format"), None);
    }
}
