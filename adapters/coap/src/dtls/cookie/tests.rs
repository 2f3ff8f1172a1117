use std::sync::atomic::{AtomicU8, Ordering};

use super::super::hello::tests::hello;
use super::*;

/// Bytes that are never the same twice.
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn a_cookie_proves_its_own_address_and_message_until_the_key_has_changed_twice() {
    let start = Instant::now();
    let entropy = Counting(AtomicU8::new(1));
    let mut cookies = Cookies::new(&entropy);
    let here = address("127.0.0.1:4000");
    let first = hello(0, &[]);
    let given = cookies.of(here, &ClientHello::read(&first).unwrap());
    let second = hello(1, &given);
    let second = ClientHello::read(&second).unwrap();
    assert_eq!(cookies.proven(here, &second), Some(given));
    let again = cookies.of(here, &ClientHello::read(&first).unwrap());
    assert!(is_newer(&again, &given) && !is_newer(&given, &again) && !is_newer(&given, &given));
    let mut numbered = given;
    numbered[NUMBER - 1] ^= 2;
    let other = hello(1, &numbered);
    assert_eq!(
        cookies.proven(here, &ClientHello::read(&other).unwrap()),
        None
    );
    for other in ["127.0.0.1:4001", "127.0.0.2:4000", "[::1]:4000"] {
        assert_eq!(cookies.proven(address(other), &second), None, "{other}");
    }
    let mut other = hello(1, &given);
    // Another suite.
    let at = other.len() - 5;
    other[at] ^= 1;
    let other = ClientHello::read(&other).unwrap();
    assert_eq!(cookies.proven(here, &other), None);
    for later in [0, 29, 30, 59] {
        cookies.turn(start + Duration::from_secs(later));
        assert_eq!(cookies.proven(here, &second), Some(given), "{later}");
    }
    cookies.turn(start + Duration::from_secs(60));
    assert_eq!(cookies.proven(here, &second), None);
    // Nobody came for long: what was given before is worth nothing, in one step.
    let given = cookies.of(here, &ClientHello::read(&first).unwrap());
    cookies.turn(start + Duration::from_secs(120));
    let late = hello(1, &given);
    assert_eq!(
        cookies.proven(here, &ClientHello::read(&late).unwrap()),
        None
    );
}

#[test]
fn what_is_no_cookie_of_ours_proves_nothing() {
    let cookies = Cookies::new(&Counting(AtomicU8::new(1)));
    let here = address("127.0.0.1:4000");
    for cookie in [&[][..], &[0; COOKIE], &[0; COOKIE - 1], &[0; 255 - 80]] {
        let bytes = hello(1, cookie);
        let hello = ClientHello::read(&bytes).unwrap();
        assert_eq!(cookies.proven(here, &hello), None, "{cookie:?}");
    }
}
