//! Fuzzes `checks::input::governed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claviger_fuzz::checks::input::governed(bytes);
});
