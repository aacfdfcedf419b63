//! Fuzzes `checks::input::certificate_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    claviger_fuzz::checks::input::certificate_request(bytes);
});
