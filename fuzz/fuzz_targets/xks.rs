//! Fuzzes `checks::aws::xks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claviger_fuzz::checks::aws::xks(bytes);
});
