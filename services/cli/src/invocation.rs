//! The command line before it is parsed: which words are the AWS CLI's, and how to refuse the rest.

use std::{ffi::OsString, process::ExitCode};

use clap::{ColorChoice, CommandFactory as _, ValueEnum};

use crate::{Arguments, error::CommandError, output, output::Format, style};

/// The command whose words belong to another program.
const AWS: &str = "aws";
/// What comes after it is no option of ours.
const ESCAPE: &str = "--";

/// The words of the command line as they are to be parsed. Everything after `aws` belongs to the
/// AWS CLI, even `--help` and options that are called like ours, so it is moved behind `--`; our
/// options stand before `aws`.
pub(crate) fn words(given: Vec<OsString>) -> Vec<OsString> {
    let Some(place) = place_of_command(&given).filter(|place| given[*place] == AWS) else {
        return given;
    };
    let (program, options, theirs) = (&given[..1], &given[1..place], &given[place + 1..]);
    let (aws, escape) = ([OsString::from(AWS)], [OsString::from(ESCAPE)]);
    [program, &aws, options, &escape, theirs].concat()
}

/// Where the name of the command is: the first word that is neither an option nor the value of one.
fn place_of_command(given: &[OsString]) -> Option<usize> {
    let valued = valued_options();
    let mut place = 1;
    loop {
        let word = given.get(place)?.to_string_lossy();
        if !word.starts_with('-') {
            return Some(place);
        }
        let takes_next = word
            .strip_prefix("--")
            .is_some_and(|name| valued.iter().any(|valued| valued == name));
        place += if takes_next { 2 } else { 1 };
    }
}

/// The options that may stand before `aws` and have a value.
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

/// Prints the help, or why the words are no command, in the form and colours that the words ask
/// for.
pub(crate) fn refuse(error: &clap::Error, words: &[OsString]) -> ExitCode {
    style::choose(asked(words, "color").unwrap_or(ColorChoice::Auto));
    let is_error = error.use_stderr();
    if is_error && asked(words, "format") == Some(Format::Json) {
        output::choose_errors(Format::Json);
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

/// The value of an option of ours, where the words have it.
fn asked<V: ValueEnum>(words: &[OsString], option: &str) -> Option<V> {
    let ours = words.iter().take_while(|word| *word != ESCAPE);
    let ours: Vec<_> = ours.map(|word| word.to_string_lossy()).collect();
    let name = format!("--{option}");
    let next = |place: usize| ours.get(place + 1).map(|value| value.to_string());
    let mut values = ours
        .iter()
        .enumerate()
        .filter_map(|(place, word)| match word.strip_prefix(&name)? {
            "" => next(place),
            joined => joined.strip_prefix('=').map(str::to_owned),
        });
    values.next_back().and_then(|value| V::from_str(&value, false).ok())
}

/// What is wrong, without the usage that follows it.
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
    fn words_after_aws_are_not_parsed() {
        assert_eq!(moved("beringia aws s3 --help"), "beringia aws -- s3 --help");
        assert_eq!(
            moved("beringia --color never --control http://h:1 aws --color off x"),
            "beringia aws --color never --control http://h:1 -- --color off x"
        );
        assert_eq!(moved("beringia --format=json aws"), "beringia aws --format=json --");
    }

    #[test]
    fn words_of_other_commands_stay_as_they_are() {
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
    fn the_form_of_a_refusal_is_found_in_the_words() {
        let asked = |words: &str| {
            let words: Vec<_> = words.split(' ').map(OsString::from).collect();
            asked::<Format>(&words, "format")
        };
        assert_eq!(asked("beringia fly --format json"), Some(Format::Json));
        assert_eq!(asked("beringia --format=json fly"), Some(Format::Json));
        assert_eq!(asked("beringia --format xml fly"), None);
        assert_eq!(asked("beringia aws -- --format json"), None);
        assert_eq!(asked("beringia fly --format"), None);
    }
}
