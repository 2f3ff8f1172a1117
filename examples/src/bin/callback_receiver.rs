//! A service provider's side of a callback: verify, then act once.
//!
//! `callback_receiver --jwk FILE --target-origin https://host:port --seen FILE [--at SECONDS]`
//! reads one received callback as JSON (`{path, headers, body}`, an item of the sandbox's inbox)
//! from standard input. Exit 0: taken (or a repeated delivery, to be acknowledged and dropped);
//! exit 1: refused, with the HTTP status to answer and why; exit 2: used wrongly.
//!
//! `--jwk` is the gateway's `/.well-known/ics` as fetched over mutual TLS beforehand, or its JWK.
//! `--at` judges freshness at another time than now, in seconds since 1970.

#![forbid(unsafe_code)]

use std::fs::{File, OpenOptions, read_to_string};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use ics_examples::inbox::parse_item;
use ics_examples::ledger::{Ledger, Taken, Verdict};
use ics_examples::verify::{find_keys, verify};

type Failure = Box<dyn std::error::Error>;

struct Arguments {
    jwk: String,
    target_origin: String,
    seen: String,
    at: i64,
}

fn main() -> ExitCode {
    let (code, text) = match read_arguments().and_then(|arguments| receive(&arguments)) {
        Ok(Ok(text)) => (0, format!("accepted: {text}")),
        Ok(Err(text)) => (1, format!("refused: {text}")),
        Err(error) => (2, format!("error: {error}")),
    };
    // Nobody listens any more: the exit code still tells.
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::from(code)
}

/// `Ok(Err(..))`: refused.
fn receive(arguments: &Arguments) -> Result<Result<String, String>, Failure> {
    let keys = find_keys(&serde_json::from_str(&read_to_string(&arguments.jwk)?)?);
    let mut ledger = load_ledger(&arguments.seen)?;
    let mut item = String::new();
    std::io::stdin().read_to_string(&mut item)?;
    let request = parse_item(&item, &arguments.target_origin)?;
    // First who and what, then whether it is new.
    let signature = match verify(&request, &keys, arguments.at) {
        Ok(signature) => signature,
        Err(refusal) => return Ok(Err(format!("401 {refusal}"))),
    };
    let (verdict, taken) = ledger.take(&request.body, &signature);
    if let Some(taken) = taken {
        keep(&arguments.seen, &taken)?;
    }
    Ok(match verdict {
        Verdict::Apply => Ok("204 to be acted upon".to_owned()),
        Verdict::Duplicate => Ok("204 delivered before, nothing to do".to_owned()),
        Verdict::Overtaken => Ok("204 overtaken by a newer one, nothing to do".to_owned()),
        Verdict::Replay => Err("409 replay of a request taken before".to_owned()),
        Verdict::Unreadable => Err("400 not a notification".to_owned()),
    })
}

fn load_ledger(path: &str) -> Result<Ledger, Failure> {
    let mut ledger = Ledger::default();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(ledger),
        Err(error) => return Err(error.into()),
    };
    for line in BufReader::new(file).lines() {
        ledger.remember(&serde_json::from_str(&line?)?);
    }
    Ok(ledger)
}

/// Durable before it is acknowledged: what is forgotten would be acted upon twice.
fn keep(path: &str, taken: &Taken) -> Result<(), Failure> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{}", serde_json::to_string(taken)?)?;
    Ok(file.sync_data()?)
}

fn read_arguments() -> Result<Arguments, Failure> {
    let (mut jwk, mut target_origin, mut seen, mut at) = (None, None, None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let slot = match word.as_str() {
            "--jwk" => &mut jwk,
            "--target-origin" => &mut target_origin,
            "--seen" => &mut seen,
            "--at" => &mut at,
            other => return Err(format!("unknown argument `{other}`").into()),
        };
        *slot = Some(words.next().ok_or("an argument lacks its value")?);
    }
    let at = match at {
        Some(seconds) => seconds.parse()?,
        None => i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?,
    };
    Ok(Arguments {
        jwk: jwk.ok_or("--jwk is missing")?,
        target_origin: target_origin.ok_or("--target-origin is missing")?,
        seen: seen.ok_or("--seen is missing")?,
        at,
    })
}
