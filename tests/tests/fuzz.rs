//! The kept inputs of the fuzz targets break no promise, and neither do truncated or slightly
//! changed ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use beringia_clock::{Randomness as _, SeededRandomness};
use beringia_tests::{
    fuzz::{TARGETS, run},
    repository,
};

/// How often each kept input is changed at random.
const ROUNDS: u64 = 50;
/// The same with `BERINGIA_LONG` in the environment.
const LONG_ROUNDS: u64 = 10_000;

/// The kept inputs of a target, by name.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let directory = repository().join("tests/fuzz/corpus").join(target);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let read = |entry: io::Result<fs::DirEntry>| {
        let entry = entry.expect("the corpus is readable");
        let input = fs::read(entry.path()).expect("an input is readable");
        (entry.file_name().to_string_lossy().into_owned(), input)
    };
    entries.map(read).collect()
}

#[test]
fn corpus_and_truncated_inputs_break_no_promise() {
    for (name, _) in TARGETS {
        let corpus = corpus(name);
        for input in corpus.values() {
            run(name, input);
            for at in 0..input.len().min(200) {
                run(name, &input[..at]);
                let mut changed = input.clone();
                changed[at] ^= 1 << (at % 8);
                run(name, &changed);
            }
        }
        assert!(corpus.len() >= 8, "the corpus of `{name}` has {} inputs", corpus.len());
    }
}

/// An input with up to eight changes: bytes set, dropped, duplicated, or taken from another input.
fn changed(input: &[u8], other: &[u8], randomness: &SeededRandomness) -> Vec<u8> {
    let below = |bound: usize| usize::try_from(randomness.below(bound as u64)).expect("below a length");
    let mut input = input.to_vec();
    for _ in 0..=below(8) {
        let at = below(input.len() + 1);
        let end = at + below((input.len() - at).min(16) + 1);
        match below(4) {
            0 => input[at..end].fill(u8::try_from(below(256)).expect("a byte")),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, input[at..end].to_vec())),
            _ => {
                let from = below(other.len() + 1);
                let to = from + below((other.len() - from).min(16) + 1);
                drop(input.splice(at..end, other[from..to].to_vec()));
            }
        }
    }
    input
}

#[test]
fn randomly_changed_corpus_inputs_break_no_promise() {
    let rounds = std::env::var_os("BERINGIA_LONG").map_or(ROUNDS, |_| LONG_ROUNDS);
    for (name, _) in TARGETS {
        let corpus = corpus(name);
        let inputs: Vec<&Vec<u8>> = corpus.values().collect();
        for (place, input) in inputs.iter().enumerate() {
            let randomness = SeededRandomness::new(1).derive(&format!("{name} {place}"));
            for round in 0..rounds {
                let other = inputs[usize::try_from(round).expect("small") % inputs.len()];
                run(name, &changed(input, other, &randomness));
            }
        }
    }
}

#[test]
fn every_target_has_a_program_and_every_program_a_target() {
    let programs: BTreeSet<String> = fs::read_dir(repository().join("tests/fuzz/fuzz_targets"))
        .expect("the programs are there")
        .map(|entry| {
            entry
                .expect("the directory is readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let targets = TARGETS.iter().map(|(name, _)| format!("{name}.rs")).collect();
    assert_eq!(programs, targets);
}
