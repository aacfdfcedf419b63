//! Fuzzes `checks::aws::key_policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claviger_fuzz::checks::aws::key_policy(bytes);
});
