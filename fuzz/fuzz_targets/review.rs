//! Fuzzes `checks::log::review`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claviger_fuzz::checks::log::review(bytes);
});
