//! The command line before it is parsed: separates the arguments of the AWS CLI, and reports
//! errors.

use std::{ffi::OsString, process::ExitCode};

use clap::{ColorChoice, CommandFactory as _, ValueEnum};

use crate::{Arguments, error::CommandError, output, output::Format, style};

/// The command whose arguments belong to another program.
const AWS: &str = "aws";
/// Separates the options of beringia from words that clap takes as they are.
const ESCAPE: &str = "--";

/// The words of the command line in the order in which clap parses them. An option of a command
/// may precede the command's name: it is moved behind it. Everything after `aws` belongs to the AWS
/// CLI, even `--help` and options with the names of ours, so it is moved behind `--`.
pub(crate) fn words(given: Vec<OsString>) -> Vec<OsString> {
    let program = Arguments::command();
    let Some(first) = command_index(&program, &given) else {
        return given;
    };
    let commands = named_commands(&program, &given[first..]);
    let end = first + commands.len();
    let (options, names, rest) = (&given[1..first], &given[first..end], &given[end..]);
    let escape = (given[first] == AWS).then(|| OsString::from(ESCAPE));
    let (moved, kept) = divide_options(&program, &commands, options);
    let mut words = vec![given[0].clone()];
    words.extend(kept);
    words.extend_from_slice(names);
    words.extend(moved);
    words.extend(escape);
    words.extend_from_slice(rest);
    words
}

/// The index of the command's name: the first word that is neither an option nor the value of one.
fn command_index(program: &clap::Command, given: &[OsString]) -> Option<usize> {
    let mut index = 1;
    loop {
        let word = given.get(index)?.to_string_lossy();
        if !word.starts_with('-') {
            return Some(index);
        }
        index += words_of(program, &word);
    }
}

/// The commands that the words name, from the outermost one on, such as `drill` and `run`.
fn named_commands<'a>(program: &'a clap::Command, words: &[OsString]) -> Vec<&'a clap::Command> {
    let mut command = program;
    let inner = words.iter().map_while(|word| {
        command = command.find_subcommand(word)?;
        Some(command)
    });
    inner.collect()
}

/// Divides the options that precede the commands, with their values: those that only the commands
/// have, and the others.
fn divide_options(
    program: &clap::Command,
    commands: &[&clap::Command],
    options: &[OsString],
) -> (Vec<OsString>, Vec<OsString>) {
    let (mut of_commands, mut others) = (Vec::new(), Vec::new());
    let mut rest = options;
    while let Some(word) = rest.first() {
        let word = word.to_string_lossy();
        let (option, after) = rest.split_at(words_of(program, &word).min(rest.len()));
        let has = |command: &clap::Command| find_option(command, &word).is_some();
        let is_of_command = !has(program) && commands.iter().any(|command| has(command));
        if is_of_command { &mut of_commands } else { &mut others }.extend_from_slice(option);
        rest = after;
    }
    (of_commands, others)
}

/// How many words an option consists of: two, if the next word is its value. Before the command is
/// known, any command's option of that name counts.
fn words_of(program: &clap::Command, word: &str) -> usize {
    let mut commands = vec![program];
    while let Some(command) = commands.pop() {
        if let Some(option) = find_option(command, word) {
            return if option.get_action().takes_values() && !word.contains('=') {
                2
            } else {
                1
            };
        }
        commands.extend(command.get_subcommands());
    }
    1
}

/// The command's own option that the word names, with or without a value.
fn find_option<'a>(command: &'a clap::Command, word: &str) -> Option<&'a clap::Arg> {
    let name = word.strip_prefix("--")?.split('=').next();
    command.get_arguments().find(|argument| argument.get_long() == name)
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
            "beringia --color never aws --control http://h:1 -- --color off x"
        );
        assert_eq!(moved("beringia --format=json aws"), "beringia --format=json aws --");
    }

    #[test]
    fn options_of_a_command_may_precede_its_name() {
        assert_eq!(
            moved("beringia --control http://h:1 status"),
            "beringia status --control http://h:1"
        );
        assert_eq!(
            moved("beringia --format json --control=http://h:1 --attach drill run partition"),
            "beringia --format json drill run --control=http://h:1 --attach partition"
        );
        assert_eq!(
            moved("beringia --control http://h:1 sim run swarm"),
            "beringia --control http://h:1 sim run swarm",
            "an option that the command does not have is refused"
        );
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
