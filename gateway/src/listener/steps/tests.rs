use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use super::super::gate::Gate;
use super::*;
use crate::config::ConnectionsSection;

fn gate(max_handshakes: usize, max_handshakes_per_address: usize) -> Arc<Gate> {
    Arc::new(Gate::new(&ConnectionsSection {
        max_handshakes,
        max_handshakes_per_address,
        ..Default::default()
    }))
}

fn arrive(gate: &Arc<Gate>, from: &str) -> Arrival {
    gate.arrive(from.parse().unwrap()).unwrap()
}

#[actix_web::test]
async fn a_handshake_that_waits_for_its_peer_holds_no_turn() {
    let gate = gate(1, 1);
    let place = || arrive(&gate, "192.0.2.1");
    for _ in 0..10 {
        actix_web::rt::spawn(InSteps::new(pending::<()>(), place()));
    }
    let other = InSteps::new(async { 7 }, place());
    let other = timeout(Duration::from_secs(30), other).await;
    assert_eq!(other.unwrap(), 7);
}

#[actix_web::test]
async fn a_step_waits_for_its_turn() {
    let gate = gate(1, 1);
    let held = arrive(&gate, "192.0.2.1").wait_for_turn().await.unwrap();
    let steps = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&steps);
    let work = poll_fn(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(())
    });
    let mut work = std::pin::pin!(InSteps::new(work, arrive(&gate, "192.0.2.2")));
    assert!(timeout(Duration::from_millis(50), &mut work).await.is_err());
    assert_eq!(steps.load(Ordering::Relaxed), 0);
    drop(held);
    timeout(Duration::from_secs(30), work).await.unwrap();
    assert_eq!(steps.load(Ordering::Relaxed), 1);
}

#[actix_web::test]
async fn many_of_one_address_stand_before_another_by_their_turns_alone() {
    let gate = gate(8, 2);
    let steps = Arc::new(AtomicU32::new(0));
    for _ in 0..100 {
        let counted = Arc::clone(&steps);
        let work = poll_fn(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(())
        });
        actix_web::rt::spawn(InSteps::new(work, arrive(&gate, "192.0.2.1")));
    }
    let seen = Arc::clone(&steps);
    let other = async move { seen.load(Ordering::Relaxed) };
    let before = InSteps::new(other, arrive(&gate, "192.0.2.2")).await;
    assert!(before <= 8, "{before} steps of the others came first");
}
