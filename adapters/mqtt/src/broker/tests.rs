use ics_core::id::{DeviceId, SpId};
use ics_core::time::Timestamp;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::fake::{FakeBroker, FakeWays, Manner};
use super::*;
use crate::roster::Sessions;
use crate::topic::Subtree;
use ics_channel::RefusedAttempt;
use ics_channel::fake::{FakeService, SetClock};

/// No chance at all.
struct Certain;

impl Entropy for Certain {
    fn fill(&self, out: &mut [u8]) {
        out.fill(0);
    }
}

struct Stage {
    service: Arc<FakeService>,
    broker: Arc<FakeBroker>,
    served: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

fn device() -> DeviceId {
    DeviceId::mint([1; 16])
}

impl Stage {
    /// One device, served through a broker.
    async fn start(messages: Rate) -> Self {
        let service = Arc::new(FakeService::new(Arc::new(Sessions::default())));
        let now = Timestamp::from_millis(1_700_000_000_000);
        let end = now.plus(Duration::from_secs(864_000));
        service.register(&SpId::parse("acme").unwrap(), &device(), end);
        let broker = FakeBroker::new(Manner::ByCertificate);
        let gateway = Broker {
            service: Arc::clone(&service) as _,
            awaited: Arc::default(),
            ways: Arc::new(FakeWays(Arc::clone(&broker))),
            clock: Arc::new(SetClock::at(now)),
            entropy: Arc::new(Certain),
            settings: BrokerSettings {
                client_id: "gateway".to_owned(),
                session_expiry: Duration::from_secs(3600),
                messages,
            },
        };
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(gateway.run(stopped));
        while !broker.is_heard("$share/ics/ics/v1/d/+/st") {
            sleep(Duration::from_millis(10)).await;
        }
        Self {
            service,
            broker,
            served,
            stop,
        }
    }

    fn say(&self, own: &str, payload: &str) {
        let topic = Subtree::of(&device()).name(own);
        self.broker.publish(&topic, payload.as_bytes());
    }

    /// All that was said is settled: with time that stands still, this is when nothing is left to do.
    async fn settle(&self) {
        sleep(Duration::from_secs(2)).await;
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap();
    }
}

const PLENTY: Rate = Rate {
    per_second: 1000,
    burst: 1000,
};

#[tokio::test(start_paused = true)]
async fn messages_beyond_the_rate_are_told_once_and_not_acted_upon() {
    let stage = Stage::start(Rate {
        per_second: 1,
        burst: 3,
    })
    .await;
    stage.settle().await;
    for _ in 0..20 {
        stage.say("evt", "eggs");
    }
    stage.settle().await;
    let refused = stage.service.take_refused();
    let unreadable = (Some(device()), RefusedAttempt::PublishUnreadable);
    let too_fast = (Some(device()), RefusedAttempt::TooFast);
    assert_eq!(
        refused,
        [unreadable.clone(), unreadable.clone(), unreadable, too_fast]
    );
    stage.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_owed_nothing_is_looked_up_once_more_for_what_it_says() {
    let stage = Stage::start(PLENTY).await;
    stage.settle().await;
    let before = stage.service.look_ups();
    stage.say("inq/1", "");
    stage.settle().await;
    // Who it is, what it asks, and whether it is owed something.
    assert_eq!(stage.service.look_ups() - before, 3);
    stage.end().await;
}
