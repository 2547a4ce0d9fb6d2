//! libFuzzer's program for the target `state`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| beringia_tests::fuzz::run("state", input));
