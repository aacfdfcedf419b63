//! Fuzzes `checks::sealed::stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claviger_fuzz::checks::sealed::stream(bytes);
});
