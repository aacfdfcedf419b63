//! Fuzzes `checks::input::name`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claviger_fuzz::checks::input::name(bytes);
});
