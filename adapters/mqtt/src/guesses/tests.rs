use std::task::{Context, Poll, Waker};

use super::*;

const LIMITS: GuessLimits = GuessLimits {
    of_address: 5,
    of_device: 2,
    forgotten_after: Duration::from_secs(20),
};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + seconds * 1000)
}

fn device(n: u8) -> DeviceId {
    DeviceId::mint([n; 16])
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A look at a password that need not wait.
fn begin<'g>(
    guesses: &'g Guesses,
    guess: (IpAddr, &DeviceId),
    now: Timestamp,
) -> Poll<Option<Guess<'g>>> {
    let begun = pin!(guesses.begin(guess, &LIMITS, now));
    begun.poll(&mut Context::from_waker(Waker::noop()))
}

fn begun<'g>(guesses: &'g Guesses, guess: (IpAddr, &DeviceId), now: Timestamp) -> Guess<'g> {
    match begin(guesses, guess, now) {
        Poll::Ready(Some(guess)) => guess,
        Poll::Ready(None) => panic!("refused"),
        Poll::Pending => panic!("waits"),
    }
}

fn is_allowed(guesses: &Guesses, guess: (IpAddr, &DeviceId), now: Timestamp) -> bool {
    matches!(begin(guesses, guess, now), Poll::Ready(Some(_)))
}

fn note_wrong(guesses: &Guesses, guess: (IpAddr, &DeviceId), now: Timestamp) {
    begun(guesses, guess, now).wrong(&LIMITS, now);
}

#[test]
fn a_device_that_was_guessed_at_is_left_alone_for_a_while_from_anywhere_but_its_home() {
    let guesses = Guesses::default();
    let (home, stranger, third) = (
        address("192.0.2.1"),
        address("192.0.2.2"),
        address("192.0.2.3"),
    );
    let lock = device(1);
    begun(&guesses, (home, &lock), at(0)).right();
    for _ in 0..2 {
        note_wrong(&guesses, (stranger, &lock), at(0));
    }
    assert!(!is_allowed(&guesses, (stranger, &lock), at(0)));
    assert!(!is_allowed(&guesses, (third, &lock), at(19)));
    assert!(is_allowed(&guesses, (home, &lock), at(0)));
    assert!(is_allowed(&guesses, (stranger, &device(2)), at(0)));
    assert!(is_allowed(&guesses, (third, &lock), at(20)));
}

#[test]
fn an_address_that_guesses_at_many_devices_is_heard_no_more_for_a_while() {
    let guesses = Guesses::default();
    let from = address("2001:db8:0:1::7");
    let neighbour = address("2001:db8:0:1:ffff::9");
    begun(&guesses, (neighbour, &device(9)), at(0)).right();
    for n in 0..5 {
        note_wrong(&guesses, (from, &device(n)), at(0));
    }
    assert!(!is_allowed(&guesses, (neighbour, &device(9)), at(19)));
    assert!(is_allowed(
        &guesses,
        (address("2001:db8:0:2::7"), &device(9)),
        at(0)
    ));
    assert!(is_allowed(&guesses, (from, &device(9)), at(20)));
    // The clock is put back by an hour: locked out for no longer than the limit takes.
    assert!(!is_allowed(&guesses, (from, &device(9)), at(-3600)));
    assert!(!is_allowed(&guesses, (from, &device(9)), at(-3581)));
    assert!(is_allowed(&guesses, (from, &device(9)), at(-3580)));
}

#[test]
fn what_is_remembered_is_bounded() {
    let guesses = Guesses::default();
    for n in 0..u32::try_from(MOST).unwrap() + 10 {
        let from = IpAddr::V4(std::net::Ipv4Addr::from_bits(n));
        let guessed = DeviceId::mint(u128::from(n).to_be_bytes());
        note_wrong(&guesses, (from, &guessed), at(0));
        begun(&guesses, (from, &guessed), at(0)).right();
    }
    let state = guesses.lock();
    assert!(state.addresses.len() <= MOST);
    assert!(state.devices.len() <= MOST);
    assert!(state.homes.len() <= MOST);
}

#[test]
fn of_many_that_are_looked_at_at_once_no_more_are_than_may_be_wrong() {
    let guesses = Guesses::default();
    let from = address("192.0.2.1");
    let lock = device(1);
    let looked_at = [
        begun(&guesses, (from, &lock), at(0)),
        begun(&guesses, (from, &lock), at(0)),
    ];
    assert!(begin(&guesses, (from, &lock), at(0)).is_pending());
    // Other devices of the address have what is left to it.
    let others: Vec<Guess<'_>> = (2..5)
        .map(|n| begun(&guesses, (from, &device(n)), at(0)))
        .collect();
    assert!(begin(&guesses, (from, &device(5)), at(0)).is_pending());
    let mut waiting = pin!(guesses.begin((from, &lock), &LIMITS, at(0)));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(cx).is_pending());
    // What told nothing is given back; what was wrong is not.
    let [one, other] = looked_at;
    drop(others);
    assert!(waiting.as_mut().poll(cx).is_pending());
    drop(one);
    assert!(is_allowed(&guesses, (from, &lock), at(0)));
    other.wrong(&LIMITS, at(0));
    let Poll::Ready(Some(third)) = waiting.as_mut().poll(cx) else {
        panic!("there is room");
    };
    third.wrong(&LIMITS, at(0));
    assert!(!is_allowed(&guesses, (address("192.0.2.2"), &lock), at(0)));
}

#[test]
fn nothing_is_kept_of_passwords_that_were_right_but_where_they_came_from() {
    let guesses = Guesses::default();
    let lock = device(1);
    for n in 0..100 {
        let from = IpAddr::V4(std::net::Ipv4Addr::from_bits(n));
        begun(&guesses, (from, &lock), at(0)).right();
    }
    let state = guesses.lock();
    assert!(state.addresses.is_empty() && state.devices.is_empty());
    assert_eq!(state.homes.len(), 1);
}

#[test]
fn no_more_than_so_many_wait() {
    let guesses = Guesses::default();
    let (from, lock) = (address("192.0.2.1"), device(1));
    let _looked_at = [
        begun(&guesses, (from, &lock), at(0)),
        begun(&guesses, (from, &lock), at(0)),
    ];
    let cx = &mut Context::from_waker(Waker::noop());
    let mut waiting: Vec<_> = (0..MOST_WAITING)
        .map(|_| Box::pin(guesses.begin((from, &lock), &LIMITS, at(0))))
        .collect();
    for one in &mut waiting {
        assert!(one.as_mut().poll(cx).is_pending());
    }
    assert!(matches!(
        begin(&guesses, (from, &lock), at(0)),
        Poll::Ready(None)
    ));
}
