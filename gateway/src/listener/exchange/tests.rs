use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::sleep;

use super::*;

const TIMES: HeadTimes = HeadTimes {
    head: Duration::from_millis(50),
    whole: Duration::from_millis(200),
};

/// A connection whose first request is answered, and its client's end.
async fn answered() -> (Heeding<DuplexStream>, DuplexStream) {
    let (near, mut far) = duplex(64);
    let mut near = Heeding::new(near, TIMES);
    near.exchange().note_request();
    near.exchange().note_answer();
    near.write_all(b"answer").await.unwrap();
    far.read_exact(&mut [0; 6]).await.unwrap();
    (near, far)
}

async fn read(near: &mut Heeding<DuplexStream>) -> io::Result<u8> {
    near.read_u8().await
}

#[tokio::test]
async fn a_next_head_that_has_begun_has_its_time_and_no_more_by_coming_slowly() {
    let (mut near, mut far) = answered().await;
    let began = Instant::now();
    let trickling = async {
        loop {
            far.write_all(b"G").await.unwrap();
            sleep(TIMES.head / 10).await;
        }
    };
    let reading = async {
        loop {
            if let Err(error) = read(&mut near).await {
                break error;
            }
        }
    };
    let error = tokio::select! {
        () = trickling => unreachable!("it does not end"),
        error = reading => error,
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(began.elapsed() >= TIMES.head);
}

#[tokio::test]
async fn a_head_of_which_nothing_is_seen_to_come_is_waited_for_a_while() {
    let (mut near, _far) = answered().await;
    let began = Instant::now();
    let error = read(&mut near).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(began.elapsed() >= TIMES.whole);
}

#[tokio::test]
async fn each_answer_begins_the_wait_anew() {
    let (mut near, mut far) = answered().await;
    for _ in 0..3 {
        far.write_all(b"G").await.unwrap();
        assert_eq!(read(&mut near).await.unwrap(), b'G');
        near.exchange().note_request();
        near.exchange().note_answer();
        near.write_all(b"answer").await.unwrap();
        far.read_exact(&mut [0; 6]).await.unwrap();
        // Longer than a head may take, shorter than nothing may come.
        let pause = tokio::time::timeout(TIMES.head * 2, read(&mut near)).await;
        assert!(pause.is_err(), "{pause:?}");
    }
}

#[tokio::test]
async fn a_request_under_way_and_a_stream_have_no_deadline_here() {
    let (mut near, mut far) = answered().await;
    let exchange = near.exchange();
    exchange.note_request();
    // 100 (Continue), or what was left of the answer before it.
    near.write_all(b"answer").await.unwrap();
    far.write_all(b"b").await.unwrap();
    assert_eq!(read(&mut near).await.unwrap(), b'b');
    let waited = tokio::time::timeout(TIMES.whole * 2, read(&mut near)).await;
    assert!(waited.is_err(), "{waited:?}");
    let streamed = exchange.note_stream();
    near.write_all(b"answer").await.unwrap();
    far.write_all(b"f").await.unwrap();
    assert_eq!(read(&mut near).await.unwrap(), b'f');
    let waited = tokio::time::timeout(TIMES.whole * 2, read(&mut near)).await;
    assert!(waited.is_err(), "{waited:?}");
    drop(streamed);
    let error = read(&mut near).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn empty_lines_before_a_head_are_none_of_it() {
    let (mut near, mut far) = answered().await;
    for byte in b"\r\n" {
        far.write_all(&[*byte]).await.unwrap();
        assert_eq!(read(&mut near).await.unwrap(), *byte);
    }
    let waited = tokio::time::timeout(TIMES.head * 2, read(&mut near)).await;
    assert!(waited.is_err(), "{waited:?}");
    far.write_all(b"G").await.unwrap();
    assert_eq!(read(&mut near).await.unwrap(), b'G');
    let error = read(&mut near).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn what_was_refused_before_anybody_was_asked_is_an_answer_too() {
    let (near, mut far) = duplex(64);
    let mut near = Heeding::new(near, TIMES);
    let waited = tokio::time::timeout(TIMES.whole * 2, read(&mut near)).await;
    assert!(waited.is_err(), "{waited:?}");
    near.write_all(b"answer").await.unwrap();
    far.write_all(b"G").await.unwrap();
    assert_eq!(read(&mut near).await.unwrap(), b'G');
    let error = read(&mut near).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn an_answer_that_took_longer_than_a_head_may_goes_out() {
    let (mut near, mut far) = answered().await;
    far.write_all(b"G").await.unwrap();
    assert_eq!(read(&mut near).await.unwrap(), b'G');
    let exchange = near.exchange();
    exchange.note_request();
    sleep(TIMES.head * 2).await;
    exchange.note_answer();
    let waited = tokio::time::timeout(TIMES.head, read(&mut near)).await;
    assert!(waited.is_err(), "{waited:?}");
    near.write_all(b"answer").await.unwrap();
    far.read_exact(&mut [0; 6]).await.unwrap();
}
