//! Fuzzes `checks::aws::sigv4`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claviger_fuzz::checks::aws::sigv4(bytes);
});
