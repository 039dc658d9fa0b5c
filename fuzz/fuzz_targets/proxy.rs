//! `cargo +nightly fuzz run proxy`: see `tests/fuzzing/targets.rs`.

#![no_main]

#[path = "../../tests/fuzzing/targets.rs"]
#[allow(dead_code, reason = "each program runs one of them")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::proxy(data));
