use std::time::Duration;

use tokio::time::timeout;

use super::*;

fn gate(max_handshakes: usize, max_handshakes_per_address: usize) -> Arc<Gate> {
    Arc::new(Gate::new(&ConnectionsSection {
        max_handshakes,
        max_handshakes_per_address,
        max_connections: 40,
        max_connections_per_party: 2,
        ..Default::default()
    }))
}

fn arrive(gate: &Arc<Gate>, from: &str) -> Option<Arrival> {
    gate.arrive(from.parse().unwrap())
}

async fn has_turn(gate: &Arc<Gate>, from: &str) -> Option<(Turn, Arrival)> {
    let arrival = arrive(gate, from).unwrap();
    let waited = timeout(Duration::ZERO, arrival.wait_for_turn()).await;
    Some((waited.ok().flatten()?, arrival))
}

#[tokio::test]
async fn an_address_waits_for_its_own_turns_while_others_have_theirs() {
    let gate = gate(3, 2);
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
    let gate = gate(9, 1);
    let _first = has_turn(&gate, "2001:db8::1").await.unwrap();
    assert!(has_turn(&gate, "2001:db8::2").await.is_none());
    assert!(has_turn(&gate, "2001:db8:0:1::1").await.is_some());
}

#[test]
fn an_address_has_its_share_of_connections_whose_handshakes_are_to_come() {
    let gate = gate(1, 1);
    let mut own: Vec<_> = (0..10)
        .map(|n| arrive(&gate, &format!("2001:db8::{n}")).unwrap())
        .collect();
    assert!(arrive(&gate, "2001:db8::99").is_none(), "a quarter of 40");
    let _other = arrive(&gate, "192.0.2.1").unwrap();
    drop(own.pop());
    assert!(arrive(&gate, "2001:db8::99").is_some());
}

#[tokio::test]
async fn addresses_that_are_gone_are_forgotten() {
    let gate = gate(1, 1);
    let held = has_turn(&gate, "192.0.2.1").await.unwrap();
    // Cut off while it waits.
    assert!(has_turn(&gate, "192.0.2.2").await.is_none());
    assert_eq!(lock(&gate.addresses).len(), 1);
    drop(held);
    assert_eq!(lock(&gate.addresses).len(), 0);
}

#[test]
fn a_party_has_its_number_of_seats_and_no_more() {
    let gate = gate(1, 1);
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
