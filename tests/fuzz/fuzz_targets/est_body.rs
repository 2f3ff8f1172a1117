#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ics_fuzz::run("est_body", data));
