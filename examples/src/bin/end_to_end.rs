//! A value for a device alone (RFC 9180), past gateway and operator.
//!
//! `end_to_end key FILE` makes a device's key in FILE and tells its public key.
//! `end_to_end seal PUBLIC_KEY SERVICE_URI UTI` seals standard input; what it tells is `e2e` of the mapping
//! request. `end_to_end open FILE SERVICE_URI UTI E2E` is the device's side.

#![forbid(unsafe_code)]

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _, stdin, stdout};
use std::os::unix::fs::OpenOptionsExt as _;

use ics_examples::end_to_end::{DeviceKey, Row, make_key, seal};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["key", file] => {
            let (key, public) = make_key()?;
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600);
            let mut file = options.open(file)?;
            file.write_all(key.to_store())?;
            file.sync_all()?;
            writeln!(stdout(), "{public}")?;
        }
        ["seal", public, service_uri, uti] => {
            let mut plain = Vec::new();
            stdin().read_to_end(&mut plain)?;
            let sealed = seal(public, Row { service_uri, uti }, &plain)?;
            writeln!(stdout(), "{sealed}")?;
        }
        ["open", file, service_uri, uti, e2e] => {
            let key = DeviceKey::from_stored(std::fs::read(file)?);
            stdout().write_all(&key.open(Row { service_uri, uti }, e2e)?)?;
        }
        _ => {
            return Err(
                "key FILE | seal PUBLIC_KEY SERVICE_URI UTI | open FILE SERVICE_URI UTI E2E".into(),
            );
        }
    }
    Ok(())
}
