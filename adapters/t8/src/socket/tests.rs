use ics_core::id::SpId;
use ics_core::reference_point::Role;

use super::*;

fn shop() -> Addressee {
    Addressee {
        role: Role::ThirdPartySp,
        sp: SpId::parse("shop").unwrap(),
    }
}

#[tokio::test]
async fn delivered_is_what_was_acknowledged() {
    let sockets = Arc::new(Sockets::default());
    let shop = shop();
    let mut seat = sockets.open(&shop).unwrap();
    let deliver = sockets.deliver(&shop, "m.1t", b"{}".to_vec());
    let acknowledge = async {
        let outgoing = seat.next().await.unwrap();
        assert_eq!(
            (outgoing.id.as_str(), &*outgoing.body),
            ("m.1t", &b"{}"[..])
        );
        outgoing.acknowledged.send(()).unwrap();
    };
    let (delivered, ()) = tokio::join!(deliver, acknowledge);
    assert_eq!(delivered, Ok(()));
}

#[tokio::test]
async fn what_a_socket_took_and_did_not_acknowledge_is_not_delivered() {
    let sockets = Arc::new(Sockets::default());
    let shop = shop();
    let mut seat = sockets.open(&shop).unwrap();
    let deliver = sockets.deliver(&shop, "m.1t", Vec::new());
    let break_off = async {
        let outgoing = seat.next().await.unwrap();
        drop((seat, outgoing));
    };
    let (delivered, ()) = tokio::join!(deliver, break_off);
    assert_eq!(delivered, Err(SocketClosed));
    assert_eq!(sockets.open_socket(&shop), None);
    let delivered = sockets.deliver(&shop, "m.1t", Vec::new()).await;
    assert_eq!(delivered, Err(SocketClosed));
}

#[tokio::test]
async fn a_newer_socket_replaces_the_older_one_of_the_same_role_alone() {
    let sockets = Arc::new(Sockets::default());
    let (shop, other) = (
        shop(),
        Addressee {
            role: Role::IotSp,
            ..shop()
        },
    );
    let (older, apart) = (sockets.open(&shop).unwrap(), sockets.open(&other).unwrap());
    let first = sockets.open_socket(&shop);
    let newer = sockets.open(&shop).unwrap();
    assert_eq!(older.ending().await, Ending::Replaced);
    assert_ne!(sockets.open_socket(&shop), first);
    drop(older);
    assert!(sockets.open_socket(&shop).is_some(), "the newer one stays");
    sockets.close_all();
    assert_eq!(newer.ending().await, Ending::GoingAway);
    assert_eq!(apart.ending().await, Ending::GoingAway);
    assert!(sockets.open(&shop).is_none(), "the gateway stops");
}

#[tokio::test]
async fn a_socket_that_takes_nothing_holds_its_senders_back() {
    let sockets = Arc::new(Sockets::default());
    let shop = shop();
    let seat = sockets.open(&shop).unwrap();
    let mut deliveries: Vec<_> = (0..=WAITING)
        .map(|_| sockets.deliver(&shop, "m.1t", Vec::new()))
        .collect();
    for delivery in &mut deliveries {
        assert!(futures_ready(delivery).await.is_none());
    }
    assert_eq!(seat.outgoing.len(), WAITING, "one waits with its sender");
}

/// The outcome, if it is there by now.
async fn futures_ready<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        outcome = future => Some(outcome),
        () = std::future::ready(()) => None,
    }
}
