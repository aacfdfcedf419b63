//! Fuzzes `checks::doors::governed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claviger_fuzz::checks::doors::governed(bytes);
});
