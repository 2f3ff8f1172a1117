use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::FromRequest as _;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::test::TestRequest;
use bytes::Bytes;
use futures_util::stream;
use ics_core::id::SpId;
use ics_core::port::{NotificationSockets as _, SocketClosed};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::*;
use crate::driver::tests::fakes::{api, peer};

/// Frames that wait within actix-ws.
const CHANNEL: usize = 32;

/// A socket of shop whose SP says `words`, one every 5 ms, and reads nothing: the frames for it stay
/// in the answer that is handed out.
async fn open_stalled(
    api: &Arc<T8Api>,
    patience: Patience,
    words: &'static [u8],
) -> (Addressee, HttpResponse) {
    let (request, _) = TestRequest::get()
        .insert_header((header::CONNECTION, "upgrade"))
        .insert_header((header::UPGRADE, "websocket"))
        .insert_header((header::SEC_WEBSOCKET_VERSION, "13"))
        .insert_header((header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="))
        .to_http_parts();
    let said = stream::unfold((), move |()| async move {
        sleep(Duration::from_millis(5)).await;
        Some((Ok::<_, PayloadError>(Bytes::from_static(words)), ()))
    });
    let mut said: actix_web::dev::Payload = actix_web::dev::Payload::Stream {
        payload: Box::pin(said),
    };
    let payload = Payload::from_request(&request, &mut said).await.unwrap();
    let (response, session, messages) = actix_ws::handle(&request, payload).unwrap();
    let addressee = Addressee {
        role: Role::ThirdPartySp,
        sp: SpId::parse("shop").unwrap(),
    };
    let bearer = "all".to_owned();
    let principal = api
        .authenticator
        .authenticate(&peer("shop"), &bearer, api.clock.now())
        .unwrap();
    let line = Line {
        api: Arc::clone(api),
        opener: Opener {
            principal,
            point: ReferencePoint::Ics1,
            bearer,
        },
        session,
        patience,
        unacknowledged: HashMap::new(),
        heard: Instant::now(),
        asked: Instant::now(),
        in_debt: None,
    };
    let seat = api.sockets.open(&addressee).unwrap();
    rt::spawn(line.serve(seat, messages.aggregate_continuations()));
    (addressee, response)
}

/// Notifications to `addressee`, as many at once as are wanted; told what became of each.
fn deliver(
    api: &Arc<T8Api>,
    addressee: &Addressee,
    count: usize,
) -> JoinSet<Result<(), SocketClosed>> {
    let mut deliveries = JoinSet::new();
    for n in 0..count {
        let (api, addressee) = (Arc::clone(api), addressee.clone());
        deliveries.spawn(async move {
            let body = vec![b'x'; 1024];
            api.sockets
                .deliver(&addressee, &format!("m.{n}t"), body)
                .await
        });
    }
    deliveries
}

/// How many bytes the SP would read.
fn queued(response: HttpResponse) -> usize {
    let mut body = Box::pin(response.into_body());
    let mut context = Context::from_waker(std::task::Waker::noop());
    let mut bytes = 0;
    while let Poll::Ready(Some(Ok(part))) =
        actix_web::body::MessageBody::poll_next(Pin::as_mut(&mut body), &mut context)
    {
        bytes += part.len();
    }
    bytes
}

/// A pong nobody asked for, masked.
const PONG: &[u8] = &[0x8a, 0x80, 0, 0, 0, 0];

#[actix_web::test]
async fn a_reader_that_stalls_is_cut_off_and_little_is_kept_for_it() {
    let (api, _) = api();
    let patience = Patience {
        write: Duration::from_millis(100),
        ..PATIENCE
    };
    let (shop, response) = open_stalled(&api, patience, PONG).await;
    let deliveries = deliver(&api, &shop, 500);
    let outcomes = deliveries.join_all().await;
    assert!(outcomes.iter().all(|outcome| *outcome == Err(SocketClosed)));
    assert_eq!(api.sockets.open_socket(&shop), None);
    // What actix-ws takes at most, of frames of 1 KiB; the other deliveries waited with their senders.
    let bytes = queued(response);
    assert!(
        bytes <= (CHANNEL + 1) * 1100,
        "{bytes} bytes for a reader that stalls"
    );
}

#[actix_web::test]
async fn an_sp_that_acknowledges_nothing_is_cut_off_whatever_else_it_says() {
    let (api, _) = api();
    let patience = Patience {
        look: Duration::from_millis(20),
        debt: Duration::from_millis(200),
        ..PATIENCE
    };
    let (shop, _response) = open_stalled(&api, patience, PONG).await;
    let outcomes = deliver(&api, &shop, 1).join_all().await;
    assert_eq!(outcomes, [Err(SocketClosed)]);
    assert_eq!(api.sockets.open_socket(&shop), None);
}
