use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::FromRequest as _;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::test::TestRequest;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use ics_core::id::SpId;
use ics_core::port::{NotificationSockets as _, SocketClosed};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
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
    let said = stream::unfold((), move |()| async move {
        sleep(Duration::from_millis(5)).await;
        Some((Ok::<_, PayloadError>(Bytes::from_static(words)), ()))
    });
    open_socket(api, "shop", patience, Box::pin(said)).await
}

/// A socket whose SP says what the test sends.
async fn open_scripted(
    api: &Arc<T8Api>,
    sp: &str,
    patience: Patience,
) -> (Addressee, HttpResponse, UnboundedSender<Bytes>) {
    let (say, said) = unbounded_channel();
    let said = stream::unfold(said, |mut said: UnboundedReceiver<_>| async move {
        Some((Ok(said.recv().await?), said))
    });
    let (addressee, response) = open_socket(api, sp, patience, Box::pin(said)).await;
    (addressee, response, say)
}

/// A socket of `sp`, which says what comes by `payload`.
async fn open_socket(
    api: &Arc<T8Api>,
    sp: &str,
    patience: Patience,
    payload: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>,
) -> (Addressee, HttpResponse) {
    let (request, _) = TestRequest::get()
        .insert_header((header::CONNECTION, "upgrade"))
        .insert_header((header::UPGRADE, "websocket"))
        .insert_header((header::SEC_WEBSOCKET_VERSION, "13"))
        .insert_header((header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="))
        .to_http_parts();
    let mut said: actix_web::dev::Payload = actix_web::dev::Payload::Stream { payload };
    let payload = Payload::from_request(&request, &mut said).await.unwrap();
    let payload = gated::gate(&request, payload, MAX_FRAME as u64).unwrap();
    let (response, session, messages) = actix_ws::handle(&request, payload).unwrap();
    let addressee = Addressee {
        role: Role::ThirdPartySp,
        sp: SpId::parse(sp).unwrap(),
    };
    let bearer = "all".to_owned();
    let principal = api
        .authenticator
        .authenticate(&peer(sp), &bearer, api.clock.now())
        .unwrap();
    let opener = Opener {
        principal,
        point: ReferencePoint::Ics1,
        bearer,
    };
    let line = Line::new(api, opener, session, patience);
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

/// An acknowledgement, masked.
fn acknowledgement(id: &str) -> Bytes {
    let text = format!(r#"{{"notificationId":"{id}"}}"#);
    let length = u8::try_from(text.len()).unwrap();
    let head = [0x81, 0x80 | length, 0, 0, 0, 0];
    [&head, text.as_bytes()].concat().into()
}

#[actix_web::test]
async fn a_late_acknowledgement_is_a_sign_that_frames_are_read() {
    let (api, _) = api();
    let patience = Patience {
        look: Duration::from_millis(10),
        debt: Duration::from_millis(500),
        ..PATIENCE
    };
    let (shop, _response, say) = open_scripted(&api, "shop", patience).await;
    let sent = Instant::now();
    let gave_up = timeout(
        Duration::from_millis(50),
        api.sockets.deliver(&shop, "m.1t", b"{}".to_vec()),
    );
    assert!(gave_up.await.is_err(), "its sender stopped waiting");
    // Looked at meanwhile: nobody waits for it any more.
    sleep(20 * patience.look).await;
    say.send(acknowledgement("m.1t")).unwrap();
    sleep((patience.debt + 5 * patience.look).saturating_sub(sent.elapsed())).await;
    let next = api.sockets.deliver(&shop, "m.2t", b"{}".to_vec());
    let (delivered, ()) = tokio::join!(next, async {
        sleep(5 * patience.look).await;
        let _ = say.send(acknowledgement("m.2t"));
    });
    assert_eq!(delivered, Ok(()));
}

#[actix_web::test]
async fn a_pong_that_answers_no_ping_counts_as_a_request() {
    let (api, _) = api();
    let patience = Patience {
        look: Duration::from_millis(10),
        ping: Duration::from_millis(50),
        ..PATIENCE
    };
    // An SP that may make no request at all.
    let (busy, response, say) = open_scripted(&api, "busy", patience).await;
    let mut body = Box::pin(response.into_body());
    let frame = poll_fn(|cx| actix_web::body::MessageBody::poll_next(body.as_mut(), cx)).await;
    assert_eq!(frame.unwrap().unwrap()[0], 0x89, "a ping");
    say.send(Bytes::from_static(PONG)).unwrap();
    sleep(2 * patience.look).await;
    assert!(api.sockets.open_socket(&busy).is_some());
    // More than the pings that come meanwhile.
    let began = Instant::now();
    while api.sockets.open_socket(&busy).is_some() {
        assert!(began.elapsed() < Duration::from_secs(10), "pongs are free");
        let _ = say.send(Bytes::from_static(PONG));
        sleep(patience.look).await;
    }
}

#[actix_web::test]
async fn a_frame_that_declares_too_much_ends_the_socket_at_its_head() {
    let (api, _) = api();
    let (shop, response, say) = open_scripted(&api, "shop", PATIENCE).await;
    // 2^62 bytes are announced; not one of them comes, nor the mask.
    let length = (1_u64 << 62).to_be_bytes();
    let head = [&[0x81, 0x80 | 127], length.as_slice()].concat();
    for piece in head.chunks(3) {
        assert!(api.sockets.open_socket(&shop).is_some());
        say.send(Bytes::copy_from_slice(piece)).unwrap();
    }
    let mut body = Box::pin(response.into_body());
    let frame = poll_fn(|cx| actix_web::body::MessageBody::poll_next(body.as_mut(), cx));
    let told = timeout(Duration::from_secs(10), frame).await;
    let told = told.expect("it is told").unwrap().unwrap();
    assert_eq!(told[0], 0x88, "a goodbye");
    assert_eq!(u16::from_be_bytes([told[2], told[3]]), 1009);
    assert_eq!(api.sockets.open_socket(&shop), None);
}
