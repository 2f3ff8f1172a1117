use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::super::fake::{FakeBroker, Manner};
use super::*;

/// No chance at all.
struct Certain;

impl Entropy for Certain {
    fn fill(&self, out: &mut [u8]) {
        out.fill(0);
    }
}

/// Tells what came, and then takes its time.
struct Ear {
    tell: mpsc::UnboundedSender<(String, Vec<u8>)>,
    done: Arc<Semaphore>,
}

impl Receive for Ear {
    fn take(&self, topic: &str, payload: Vec<u8>) -> PortFuture<'static, ()> {
        let message = (topic.to_owned(), payload);
        let (tell, done) = (self.tell.clone(), Arc::clone(&self.done));
        Box::pin(async move {
            done.acquire().await.unwrap().forget();
            tell.send(message).unwrap();
        })
    }
}

struct Stage {
    broker: Arc<FakeBroker>,
    line: Arc<Line>,
    heard: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
    done: Arc<Semaphore>,
    served: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Stage {
    async fn start() -> Self {
        let broker = FakeBroker::new(Manner::ByCertificate);
        let settings = LineSettings {
            client_id: "C::id-ics".to_owned(),
            user_name: None,
            session_expiry: Duration::from_secs(3600),
            filters: vec!["/to/us/#".to_owned()],
            longest_packet: 32 << 10,
        };
        let way = broker.way_of_gateway();
        let line = Arc::new(Line::new(settings, way, Arc::new(Certain)));
        let (tell, heard) = mpsc::unbounded_channel();
        let done = Arc::new(Semaphore::new(0));
        let ear = Arc::new(Ear {
            tell,
            done: Arc::clone(&done),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let running = Arc::clone(&line);
        let served = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            running.run(ear, stopped).await;
        });
        let stage = Self {
            broker,
            line,
            heard,
            done,
            served,
            stop,
        };
        stage.until(|stage| stage.line.is_up()).await;
        stage
    }

    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap();
        assert!(!self.line.is_up());
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_is_acknowledged_and_handed_on() {
    let mut stage = Stage::start().await;
    stage.broker.publish("/to/us/a", b"one");
    stage.broker.publish("/to/others", b"no");
    stage.broker.publish("/to/us/b", b"two");
    // Before anything is done.
    stage.until(|stage| stage.broker.acknowledged() == 2).await;
    stage.done.add_permits(2);
    let one = stage.heard.recv().await.unwrap();
    let two = stage.heard.recv().await.unwrap();
    assert_eq!(one, ("/to/us/a".to_owned(), b"one".to_vec()));
    assert_eq!(two, ("/to/us/b".to_owned(), b"two".to_vec()));
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_given_is_with_the_broker() {
    let stage = Stage::start().await;
    let published = stage.line.publish("/to/others".into(), b"x".to_vec()).await;
    assert_eq!(published, Ok(()));
    assert_eq!(
        stage.broker.published(),
        [("/to/others".to_owned(), b"x".to_vec())]
    );
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_broker_would_not_take_is_refused_and_ends_nothing() {
    let stage = Stage::start().await;
    let long = vec![b'x'; 8192];
    let published = stage.line.publish("/to/others".into(), long).await;
    assert_eq!(published, Err(PublishError::Refused));
    assert!(stage.line.is_up());
    assert_eq!(
        stage.line.publish("/to/others".into(), Vec::new()).await,
        Ok(())
    );
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_line_that_broke_comes_back_and_goes_on() {
    let mut stage = Stage::start().await;
    stage.broker.publish("/to/us/a", b"before");
    stage.until(|stage| stage.broker.acknowledged() == 1).await;
    stage.broker.cut_off(true);
    stage.until(|stage| !stage.line.is_up()).await;
    let published = stage.line.publish("/to/others".into(), Vec::new()).await;
    assert_eq!(published, Err(PublishError::Down));
    // What was under way is done, connection or not.
    stage.done.add_permits(1);
    assert_eq!(stage.heard.recv().await.unwrap().1, b"before");
    stage.broker.cut_off(false);
    stage.until(|stage| stage.line.is_up()).await;
    stage.broker.publish("/to/us/a", b"after");
    stage.done.add_permits(1);
    assert_eq!(stage.heard.recv().await.unwrap().1, b"after");
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_done_before_it_ends() {
    let mut stage = Stage::start().await;
    stage.broker.publish("/to/us/a", b"last");
    stage.until(|stage| stage.broker.acknowledged() == 1).await;
    stage.stop.send(()).unwrap();
    tokio::task::yield_now().await;
    stage.done.add_permits(1);
    stage.served.await.unwrap();
    assert_eq!(stage.heard.recv().await.unwrap().1, b"last");
}
