//! libFuzzer's program for the target `expression`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| beringia_tests::fuzz::run("expression", input));
