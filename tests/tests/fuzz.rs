//! The kept inputs of the fuzz targets, and what becomes of them when they are cut off or changed a little, break no promise.

use std::{collections::BTreeSet, fs};

use beringia_tests::{
    fuzz::{TARGETS, run},
    repository,
};

#[test]
fn kept_inputs_and_their_neighbours_break_no_promise() {
    for (name, _) in TARGETS {
        let corpus = repository().join("tests/fuzz/corpus").join(name);
        let mut inputs = 0;
        for entry in fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display())) {
            let input = fs::read(entry.expect("the corpus is readable").path()).expect("an input is readable");
            inputs += 1;
            run(name, &input);
            for at in 0..input.len().min(200) {
                run(name, &input[..at]);
                let mut changed = input.clone();
                changed[at] ^= 1 << (at % 8);
                run(name, &changed);
            }
        }
        assert!(inputs >= 8, "the corpus of `{name}` has {inputs} inputs");
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
