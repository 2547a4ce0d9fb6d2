//! libFuzzer's program for the target `partiql`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| beringia_tests::fuzz::run("partiql", input));
