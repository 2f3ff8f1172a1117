use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;

#[tokio::test]
async fn a_peer_that_takes_nothing_ends_the_wait_with_an_error() {
    let patience = Duration::from_millis(50);
    let (near, _far) = duplex(64);
    let mut near = Paced::new(near, patience);
    let began = Instant::now();
    let error = near.write_all(&[0; 65]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(began.elapsed() >= patience);
}

#[tokio::test]
async fn a_peer_that_takes_little_by_little_is_served_to_the_end() {
    let patience = Duration::from_secs(1);
    let (near, mut far) = duplex(64);
    let mut near = Paced::new(near, patience);
    let began = Instant::now();
    let writing = tokio::spawn(async move { near.write_all(&[0; 64 + 50]).await });
    for _ in 0..50 {
        sleep(patience / 20).await;
        far.read_exact(&mut [0]).await.unwrap();
    }
    writing.await.unwrap().unwrap();
    assert!(began.elapsed() > 2 * patience);
}

#[tokio::test]
async fn time_between_writes_is_no_wait() {
    let patience = Duration::from_millis(50);
    let (near, mut far) = duplex(64);
    let mut near = Paced::new(near, patience);
    for _ in 0..3 {
        let mut taken = [0; 65];
        let (written, read) = tokio::join!(near.write_all(&[0; 65]), far.read_exact(&mut taken));
        written.unwrap();
        read.unwrap();
        sleep(2 * patience).await;
    }
}
