use std::time::Duration;

use super::*;
use crate::fixture::{SHOP, VENDOR, certificate, sp};

const LIFETIME: Duration = Duration::from_secs(600);

fn hash(n: u16) -> TokenHash {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    TokenHash(bytes)
}

fn grant(id: &str, certificate_number: u8, second: u64) -> TokenGrant {
    let issued = Timestamp::from_millis(0).plus(Duration::from_secs(second));
    TokenGrant {
        sp: sp(id),
        thumbprint: certificate(id, certificate_number).thumbprint,
        scopes: Scopes::NONE,
        consent: None,
        issued,
        expires: issued.plus(LIFETIME),
    }
}

fn table(cap: usize) -> MemoryTokenTable {
    MemoryTokenTable::new(cap.try_into().unwrap())
}

#[test]
fn a_token_is_found_for_its_client_alone() {
    let table = table(4);
    table.insert(hash(1), grant(SHOP, 1, 0));
    assert!(table.find(&sp(SHOP), &hash(1)).is_some());
    assert!(table.find(&sp(VENDOR), &hash(1)).is_none());
    assert!(table.find(&sp(SHOP), &hash(2)).is_none());
}

#[test]
fn above_the_cap_the_oldest_of_the_same_client_goes() {
    let table = table(3);
    table.insert(hash(100), grant(VENDOR, 1, 0));
    for n in 0..10 {
        table.insert(hash(n), grant(SHOP, 1, u64::from(n)));
    }
    let left: Vec<_> = (0..10)
        .filter(|n| table.find(&sp(SHOP), &hash(*n)).is_some())
        .collect();
    assert_eq!(left, [7, 8, 9]);
    assert!(table.find(&sp(VENDOR), &hash(100)).is_some());
}

#[test]
fn removed_tokens_leave_room_and_no_trace() {
    let table = table(3);
    for n in 0..1000 {
        table.insert(hash(n), grant(SHOP, 1, 0));
        assert!(table.remove(&sp(SHOP), &hash(n)));
        assert!(!table.remove(&sp(SHOP), &hash(n)));
    }
    for n in 0..3 {
        table.insert(hash(n), grant(SHOP, 1, 0));
    }
    assert_eq!(table.len(), 3);
}

#[test]
fn a_client_cannot_remove_the_token_of_another() {
    let table = table(3);
    table.insert(hash(1), grant(SHOP, 1, 0));
    assert!(!table.remove(&sp(VENDOR), &hash(1)));
    assert!(table.find(&sp(SHOP), &hash(1)).is_some());
}

#[test]
fn tokens_of_idle_clients_are_swept_by_the_inserts_of_others() {
    let table = table(64);
    for n in 0..20 {
        table.insert(hash(n), grant(&format!("idle{n}"), 1, 0));
    }
    assert_eq!(table.len(), 20);
    for n in 0..21 {
        table.insert(hash(100 + n), grant(SHOP, 1, 600 + u64::from(n)));
    }
    assert_eq!(table.len(), 21, "only the busy client's own are left");
}

#[test]
fn a_live_token_is_never_swept() {
    let table = table(64);
    table.insert(hash(1), grant(VENDOR, 1, 0));
    for n in 0..60 {
        table.insert(hash(100 + n), grant(SHOP, 1, 599));
    }
    assert!(table.find(&sp(VENDOR), &hash(1)).is_some());
}

#[test]
fn tokens_go_by_client_and_by_certificate() {
    let table = table(64);
    table.insert(hash(1), grant(SHOP, 1, 0));
    table.insert(hash(2), grant(SHOP, 2, 0));
    table.insert(hash(3), grant(SHOP, 2, 0));
    table.insert(hash(4), grant(VENDOR, 2, 0));
    assert_eq!(
        table.remove_of_certificate(&certificate(SHOP, 2).thumbprint),
        2
    );
    assert!(table.find(&sp(SHOP), &hash(1)).is_some());
    assert!(table.find(&sp(SHOP), &hash(2)).is_none());
    assert!(table.find(&sp(VENDOR), &hash(4)).is_some());
    assert_eq!(table.remove_of_sp(&sp(VENDOR)), 1);
    assert_eq!(table.remove_of_sp(&sp(VENDOR)), 0);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_token_of_a_clock_that_was_set_back_is_over() {
    let grant = grant(SHOP, 1, 3600);
    let at = |seconds| Timestamp::from_millis(0).plus(Duration::from_secs(seconds));
    assert!(grant.is_live(at(3600)));
    assert!(grant.is_live(at(3599)), "two threads read one clock");
    assert!(!grant.is_live(at(3000)), "it would live 20 minutes");
    assert!(!grant.is_live(at(4200)));
}
