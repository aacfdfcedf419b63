//! Fuzzes `checks::aws::aws_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claviger_fuzz::checks::aws::aws_json(bytes);
});
