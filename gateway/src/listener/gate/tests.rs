use std::time::Duration;

use tokio::time::timeout;

use super::*;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn has_turn(gate: &Arc<Gate>, from: &str) -> Option<Turn> {
    let waited = timeout(Duration::ZERO, gate.wait_for_turn(address(from))).await;
    waited.ok().flatten()
}

#[tokio::test]
async fn an_address_waits_for_its_own_turns_while_others_have_theirs() {
    let gate = Arc::new(Gate::new(3, 2, 1));
    let first = has_turn(&gate, "192.0.2.1").await.unwrap();
    let _second = has_turn(&gate, "192.0.2.1").await.unwrap();
    assert!(has_turn(&gate, "192.0.2.1").await.is_none());
    assert!(
        has_turn(&gate, "::ffff:192.0.2.1").await.is_none(),
        "the same address"
    );
    let other = has_turn(&gate, "192.0.2.2").await.unwrap();
    assert!(
        has_turn(&gate, "192.0.2.3").await.is_none(),
        "all turns are taken"
    );
    drop((first, other));
    assert!(has_turn(&gate, "192.0.2.1").await.is_some());
}

#[tokio::test]
async fn an_ipv6_peer_is_its_network() {
    let gate = Arc::new(Gate::new(9, 1, 1));
    let _first = has_turn(&gate, "2001:db8::1").await.unwrap();
    assert!(has_turn(&gate, "2001:db8::2").await.is_none());
    assert!(has_turn(&gate, "2001:db8:0:1::1").await.is_some());
}

#[tokio::test]
async fn addresses_that_are_gone_are_forgotten() {
    let gate = Arc::new(Gate::new(1, 1, 1));
    let held = has_turn(&gate, "192.0.2.1").await.unwrap();
    // Cut off while it waits.
    assert!(has_turn(&gate, "192.0.2.2").await.is_none());
    assert_eq!(lock(&gate.addresses).len(), 1);
    drop(held);
    assert_eq!(lock(&gate.addresses).len(), 0);
}

#[test]
fn a_party_has_its_number_of_seats_and_no_more() {
    let gate = Arc::new(Gate::new(1, 1, 2));
    let (shop, music) = (SpId::parse("shop").unwrap(), SpId::parse("music").unwrap());
    let first = gate.take_seat(&shop).unwrap();
    let _second = gate.take_seat(&shop).unwrap();
    assert!(gate.take_seat(&shop).is_none());
    let other = gate.take_seat(&music).unwrap();
    drop(first);
    gate.set_per_party(1);
    assert!(gate.take_seat(&shop).is_none(), "one is taken, one may be");
    gate.set_per_party(2);
    assert!(gate.take_seat(&shop).is_some());
    drop(other);
    assert!(!lock(&gate.parties).contains_key(&music));
}
