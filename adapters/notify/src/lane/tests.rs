use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use ics_core::id::{CallbackUri, Origin};
use ics_core::mapping::MappingStatus;
use ics_core::outbox::{Message, OutboxEntry, OutboxKey};
use ics_core::party::PartyStatus;
use ics_core::port::{DueEntries, DuePlace, OutboxBell as _, PortFuture, StoreError};
use ics_core::procedure::Knobs;
use ics_core::procedure::delivery::{DeliveryReport, decide_delivery};
use ics_core::reference_point::Role;
use ics_core::service::{Consignment, Failure, Route};
use ics_core::time::Timestamp;

use super::*;
use crate::bell::Bell;
use crate::courier::Carrier;
use crate::deliverer::{Deliverer, Pace};
use crate::driver::NoAnswer;
use crate::outbox::Outbox;
use crate::outcome::Outcome;
use crate::rig::{self, CountingEntropy, NOW, StandingClock};

const URL: &str = "https://sp.example/cb";

/// The service over a map: the core's own decisions, no store.
#[derive(Default)]
struct Book {
    entries: Mutex<BTreeMap<OutboxKey, OutboxEntry>>,
    looks: AtomicUsize,
    reports: AtomicUsize,
    down: AtomicBool,
    suspended: AtomicBool,
    /// Whether reports of entries that are given up without a try get no answer.
    stuck: AtomicBool,
    /// Subjects whose head the store cannot tell when it is asked next.
    headless: Mutex<HashSet<Subject>>,
    /// Whether looks get no answer.
    stalled: AtomicBool,
    /// Where entries of a subject go that do not go to [`URL`].
    hosts: Mutex<HashMap<Subject, &'static str>>,
    /// Subjects that are told over oneM2M.
    onem2m: Mutex<HashSet<Subject>>,
    /// How often an entry was asked for its way.
    routed: AtomicUsize,
    bell: Arc<Bell>,
}

fn origin(url: &str) -> Origin {
    CallbackUri::parse(url).unwrap().origin()
}

impl Book {
    fn with(entries: impl IntoIterator<Item = OutboxEntry>) -> Arc<Self> {
        let entries = entries.into_iter().map(|e| (e.key.clone(), e)).collect();
        Arc::new(Self {
            entries: Mutex::new(entries),
            ..Self::default()
        })
    }

    fn waiting(&self) -> usize {
        let entries = self.entries.lock().unwrap();
        entries.values().filter(|e| e.dead.is_none()).count()
    }

    fn write(&self, entry: OutboxEntry) {
        let mut entries = self.entries.lock().unwrap();
        entries.insert(entry.key.clone(), entry);
    }

    fn host_of(&self, entry: &OutboxEntry) -> &'static str {
        let hosts = self.hosts.lock().unwrap();
        hosts.get(&entry.key.subject).copied().unwrap_or(URL)
    }

    fn goes_over_onem2m(&self, entry: &OutboxEntry) -> bool {
        self.onem2m.lock().unwrap().contains(&entry.key.subject)
    }

    fn check_up(&self) -> Result<(), Failure> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(Failure::Store(StoreError::Unavailable)),
            false => Ok(()),
        }
    }
}

impl Outbox for Book {
    fn addressees(&self) -> Vec<Addressee> {
        let entries = self.entries.lock().unwrap();
        let mut all: Vec<_> = entries.keys().map(|k| k.addressee.clone()).collect();
        all.dedup();
        all
    }

    fn knobs(&self) -> Knobs {
        Knobs {
            retry_first: Duration::from_millis(20),
            retry_max: Duration::from_millis(50),
            ..Knobs::default()
        }
    }

    fn callback_origins(&self, _: &Addressee) -> Vec<Origin> {
        let hosts = self.hosts.lock().unwrap();
        let mut origins: Vec<_> = hosts.values().map(|host| origin(host)).collect();
        origins.push(origin(URL));
        origins
    }

    fn speaks_onem2m(&self, _: &Addressee) -> bool {
        !self.onem2m.lock().unwrap().is_empty()
    }

    fn route<'a>(&'a self, entry: &'a OutboxEntry) -> PortFuture<'a, Result<Route, Failure>> {
        Box::pin(async move {
            self.check_up()?;
            self.routed.fetch_add(1, Ordering::SeqCst);
            let onem2m = self.goes_over_onem2m(entry);
            Ok(Route {
                callback: (!onem2m).then(|| origin(self.host_of(entry))),
                websocket: false,
                onem2m,
            })
        })
    }

    fn load_head<'a>(
        &'a self,
        key: &'a OutboxKey,
    ) -> PortFuture<'a, Result<Option<OutboxEntry>, Failure>> {
        Box::pin(async move {
            if self.headless.lock().unwrap().remove(&key.subject) {
                return Err(Failure::Store(StoreError::Unavailable));
            }
            let entries = self.entries.lock().unwrap();
            let mut of_subject = entries
                .values()
                .filter(|e| (&e.key.addressee, e.key.subject) == (&key.addressee, key.subject));
            Ok(of_subject.find(|e| e.dead.is_none()).cloned())
        })
    }

    fn due_entries<'a>(
        &'a self,
        addressee: &'a Addressee,
        (after, now): (Option<DuePlace>, Timestamp),
        limit: usize,
    ) -> PortFuture<'a, Result<DueEntries, Failure>> {
        Box::pin(async move {
            self.looks.fetch_add(1, Ordering::SeqCst);
            until(|| !self.stalled.load(Ordering::SeqCst)).await;
            self.check_up()?;
            if self.suspended.load(Ordering::SeqCst) {
                return Ok(DueEntries::default());
            }
            let entries = self.entries.lock().unwrap();
            let mut due = DueEntries::default();
            let mut subjects = HashSet::new();
            let mut heads: Vec<_> = entries
                .values()
                .filter(|e| e.key.addressee == *addressee && e.dead.is_none())
                .filter(|e| subjects.insert(e.key.subject))
                .filter(|e| after.is_none_or(|after| DuePlace::of(e) > after))
                .collect();
            heads.sort_by_key(|e| DuePlace::of(e));
            for entry in heads {
                if entry.next_attempt <= now && due.entries.len() < limit {
                    due.entries.push(entry.clone());
                } else if entry.next_attempt > now {
                    let next = due
                        .next
                        .map_or(entry.next_attempt, |n| n.min(entry.next_attempt));
                    due.next = Some(next);
                }
            }
            Ok(due)
        })
    }

    fn recall_for_websocket<'a>(
        &'a self,
        addressee: &'a Addressee,
        now: Timestamp,
    ) -> PortFuture<'a, Result<usize, Failure>> {
        Box::pin(async move {
            self.check_up()?;
            let mut entries = self.entries.lock().unwrap();
            let of_addressee = entries
                .values_mut()
                .filter(|e| e.key.addressee == *addressee);
            let waiting: Vec<_> = of_addressee.filter(|e| e.next_attempt > now).collect();
            let recalled = waiting.len();
            for entry in waiting {
                entry.next_attempt = now;
            }
            Ok(recalled)
        })
    }

    fn consign<'a>(
        &'a self,
        entry: &'a OutboxEntry,
        _: Timestamp,
    ) -> PortFuture<'a, Result<Option<Consignment>, Failure>> {
        Box::pin(async move {
            self.check_up()?;
            let mut consignment = rig::consignment(entry.clone(), self.host_of(entry));
            if self.suspended.load(Ordering::SeqCst) {
                Arc::make_mut(&mut consignment.party).status = PartyStatus::Suspended;
            }
            Ok(Some(consignment))
        })
    }

    fn report_delivery<'a>(
        &'a self,
        key: &'a OutboxKey,
        report: DeliveryReport,
        now: Timestamp,
    ) -> PortFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.check_up()?;
            let untried = DeliveryReport::Failed {
                wait: Duration::ZERO,
            };
            if report == untried {
                until(|| !self.stuck.load(Ordering::SeqCst)).await;
            }
            self.reports.fetch_add(1, Ordering::SeqCst);
            let mut entries = self.entries.lock().unwrap();
            let Some(entry) = entries.get(key) else {
                return Ok(());
            };
            let change = decide_delivery(entry, None, report, (&self.knobs(), now), now);
            for write in change.outbox() {
                match &write.after {
                    Some(after) => entries.insert(after.key.clone(), after.clone()),
                    None => entries.remove(key),
                };
            }
            drop(entries);
            self.bell.ring(&key.addressee);
            Ok(())
        })
    }
}

/// What a host makes of an entry; nothing: it hangs.
type Answer = dyn Fn(&OutboxEntry) -> Option<Outcome> + Send + Sync;

/// A host that answers as `answer` says, and remembers who was there at the same time.
struct Host {
    answer: Box<Answer>,
    present: Mutex<HashMap<Subject, usize>>,
    most: AtomicUsize,
    doubled: AtomicBool,
    carried: Mutex<Vec<OutboxKey>>,
    /// The number of the websocket that is open; 0 for none.
    socket: AtomicU64,
}

impl Host {
    fn new(answer: impl Fn(&OutboxEntry) -> Option<Outcome> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            present: Mutex::default(),
            most: AtomicUsize::new(0),
            doubled: AtomicBool::new(false),
            carried: Mutex::default(),
            socket: AtomicU64::new(0),
        })
    }

    fn carried(&self) -> Vec<OutboxKey> {
        self.carried.lock().unwrap().clone()
    }
}

impl Carrier for Host {
    fn carry<'a>(&'a self, consignment: &'a Consignment) -> PortFuture<'a, Outcome> {
        Box::pin(async move {
            let key = &consignment.entry.key;
            {
                let mut present = self.present.lock().unwrap();
                let doubled = present.insert(key.subject, 1).is_some();
                self.doubled.fetch_or(doubled, Ordering::SeqCst);
                self.most.fetch_max(present.len(), Ordering::SeqCst);
            }
            self.carried.lock().unwrap().push(key.clone());
            // Lets the others of the burst in.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            let Some(outcome) = (self.answer)(&consignment.entry) else {
                return std::future::pending().await;
            };
            self.present.lock().unwrap().remove(&key.subject);
            outcome
        })
    }

    fn open_socket(&self, _: &Addressee) -> Option<u64> {
        Some(self.socket.load(Ordering::SeqCst)).filter(|number| *number > 0)
    }
}

const TAKEN: Option<Outcome> = Some(Outcome::Accepted { status: 204 });
const GONE: Option<Outcome> = Some(Outcome::Unreachable(NoAnswer::Connect));

fn pace() -> Pace {
    Pace {
        poll: Duration::from_secs(60),
        shutdown_grace: Duration::from_millis(200),
        ..Pace::default()
    }
}

fn start(book: &Arc<Book>, host: &Arc<Host>, clock: &Arc<StandingClock>, pace: Pace) -> Deliverer {
    let ambient = (
        clock.clone() as Arc<dyn ics_core::port::Clock>,
        Arc::new(CountingEntropy::default()) as Arc<dyn ics_core::port::Entropy>,
    );
    let bell = book.bell.clone();
    Deliverer::start_with(book.clone(), bell, host.clone(), ambient, pace)
}

fn results(rows: u8, sequences: u64) -> Vec<OutboxEntry> {
    let message = Message::Result {
        status: MappingStatus::Established,
        cause: None,
        undo: false,
    };
    (0..rows)
        .flat_map(|n| (1..=sequences).map(move |s| (n, s)))
        .map(|name| rig::entry(Role::ThirdPartySp, name, message.clone()))
        .collect()
}

async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("condition");
}

#[tokio::test]
async fn everything_waiting_is_delivered_in_order_never_two_of_one_subject() {
    let book = Book::with(results(30, 3));
    let host = Host::new(|_| TAKEN);
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| book.waiting() == 0).await;
    deliverer.shutdown().await;
    let carried = host.carried();
    assert_eq!(carried.len(), 90);
    for n in 0..30 {
        let subject = Subject::Mapping(rig::mapping_id(n));
        let own = carried.iter().filter(|k| k.subject == subject);
        let sequences: Vec<_> = own.map(|k| k.sequence).collect();
        assert_eq!(sequences, [1, 2, 3]);
    }
    assert!(!host.doubled.load(Ordering::SeqCst));
    let most = host.most.load(Ordering::SeqCst);
    assert!((2..=8).contains(&most), "{most} at once");
}

#[tokio::test]
async fn ring_opens_a_lane_and_wakes_it() {
    let book = Book::with([]);
    let host = Host::new(|_| TAKEN);
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    for entry in results(2, 1) {
        let addressee = entry.key.addressee.clone();
        let before = host.carried().len();
        book.write(entry);
        book.bell.ring(&addressee);
        until(|| host.carried().len() == before + 1).await;
    }
    until(|| book.waiting() == 0).await;
    deliverer.shutdown().await;
}

#[tokio::test]
async fn dead_host_costs_one_probe_a_rest_whatever_waits_for_it() {
    let book = Book::with(results(200, 1));
    let host = Host::new(|_| GONE);
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    // The burst of eight, then probes.
    until(|| host.carried().len() >= 20).await;
    let probes_before = host.carried().len();
    host.present.lock().unwrap().clear();
    host.most.store(0, Ordering::SeqCst);
    until(|| host.carried().len() >= probes_before + 5).await;
    assert_eq!(host.most.load(Ordering::SeqCst), 1);
    deliverer.shutdown().await;
    // Nothing but what was tried was written.
    let tried: HashSet<_> = host.carried().into_iter().collect();
    let entries = book.entries.lock().unwrap();
    for entry in entries.values().filter(|e| !tried.contains(&e.key)) {
        assert_eq!((entry.attempts, entry.next_attempt), (0, NOW));
    }
    assert_eq!(entries.len(), 200);
    assert!(tried.len() < 200);
    assert_eq!(book.reports.load(Ordering::SeqCst), host.carried().len());
}

#[tokio::test]
async fn ring_does_not_disturb_a_rest() {
    let book = Book::with(results(1, 1));
    let host = Host::new(|_| {
        let stay_away = Some(Duration::from_secs(3600));
        Some(Outcome::Struggling {
            status: 503,
            retry_after: stay_away,
        })
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| book.reports.load(Ordering::SeqCst) == 1).await;
    // One look for the attempt, one for what expired.
    until(|| book.looks.load(Ordering::SeqCst) >= 2).await;
    let looks = book.looks.load(Ordering::SeqCst);
    for _ in 0..1000 {
        book.bell.ring(&rig::addressee(Role::ThirdPartySp));
        tokio::task::yield_now().await;
    }
    assert_eq!(book.looks.load(Ordering::SeqCst), looks);
    assert_eq!(host.carried().len(), 1);
    deliverer.shutdown().await;
}

#[tokio::test]
async fn host_that_comes_back_gets_everything() {
    let book = Book::with(results(100, 2));
    let dead = Arc::new(AtomicBool::new(true));
    let state = dead.clone();
    let host = Host::new(move |_| match state.load(Ordering::SeqCst) {
        true => GONE,
        false => TAKEN,
    });
    let clock = StandingClock::new();
    let deliverer = start(&book, &host, &clock, pace());
    until(|| host.carried().len() >= 12).await;
    dead.store(false, Ordering::SeqCst);
    // Entries that were tried are due again by the clock.
    until(|| {
        clock.0.fetch_add(100, Ordering::SeqCst);
        book.bell.ring(&rig::addressee(Role::ThirdPartySp));
        book.waiting() == 0
    })
    .await;
    deliverer.shutdown().await;
    assert!(book.entries.lock().unwrap().is_empty());
}

#[tokio::test]
async fn one_bad_entry_does_not_hold_up_the_others() {
    let book = Book::with(results(50, 1));
    let bad = Subject::Mapping(rig::mapping_id(0));
    let host = Host::new(move |entry| match entry.key.subject == bad {
        true => Some(Outcome::Struggling {
            status: 500,
            retry_after: None,
        }),
        false => TAKEN,
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| book.waiting() == 1).await;
    deliverer.shutdown().await;
}

#[tokio::test]
async fn entries_past_their_deadline_become_dead_letters_behind_a_dead_host() {
    let mut entries = results(150, 1);
    for entry in &mut entries {
        entry.deadline = NOW;
    }
    let book = Book::with(entries);
    let host = Host::new(|_| GONE);
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| book.waiting() == 0).await;
    deliverer.shutdown().await;
    // Given up without a try each, and kept for the operator.
    assert!(host.carried().len() <= 20, "{}", host.carried().len());
    assert_eq!(book.entries.lock().unwrap().len(), 150);
}

#[tokio::test]
async fn suspended_sp_is_sent_nothing_and_loses_nothing() {
    let book = Book::with(results(5, 1));
    book.suspended.store(true, Ordering::SeqCst);
    let host = Host::new(|_| TAKEN);
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| book.looks.load(Ordering::SeqCst) >= 1).await;
    book.bell.ring(&rig::addressee(Role::ThirdPartySp));
    until(|| book.looks.load(Ordering::SeqCst) >= 2).await;
    assert_eq!((host.carried().len(), book.waiting()), (0, 5));
    book.suspended.store(false, Ordering::SeqCst);
    book.bell.ring(&rig::addressee(Role::ThirdPartySp));
    until(|| book.waiting() == 0).await;
    deliverer.shutdown().await;
}

#[tokio::test]
async fn failing_store_is_asked_again_and_not_spun_upon() {
    let book = Book::with(results(3, 1));
    book.down.store(true, Ordering::SeqCst);
    let host = Host::new(|_| TAKEN);
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    let begun = Instant::now();
    until(|| book.looks.load(Ordering::SeqCst) >= 8).await;
    // Each failed look is followed by a rest of 20 ms at least, with one more look within it.
    assert!(begun.elapsed() >= Duration::from_millis(3 * 20));
    book.down.store(false, Ordering::SeqCst);
    until(|| book.waiting() == 0).await;
    deliverer.shutdown().await;
}

#[tokio::test]
async fn accepted_delivery_is_reported_once_the_store_is_back() {
    let book = Book::with(results(1, 1));
    let shut = book.clone();
    let host = Host::new(move |_| {
        shut.down.store(true, Ordering::SeqCst);
        TAKEN
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| host.carried().len() == 1).await;
    book.down.store(false, Ordering::SeqCst);
    until(|| {
        book.down.store(false, Ordering::SeqCst);
        book.waiting() == 0
    })
    .await;
    deliverer.shutdown().await;
}

#[tokio::test]
async fn shutdown_waits_for_what_is_under_way_and_takes_no_more() {
    let book = Book::with(results(20, 1));
    let release = Arc::new(AtomicBool::new(false));
    let host = Arc::new(Gate {
        open: release.clone(),
        begun: AtomicUsize::new(0),
    });
    let clock = StandingClock::new();
    let ambient = (
        clock as Arc<dyn ics_core::port::Clock>,
        Arc::new(CountingEntropy::default()) as Arc<dyn ics_core::port::Entropy>,
    );
    let patient = Pace {
        shutdown_grace: Duration::from_secs(20),
        ..pace()
    };
    let deliverer = Deliverer::start_with(
        book.clone(),
        book.bell.clone(),
        host.clone(),
        ambient,
        patient,
    );
    until(|| host.begun.load(Ordering::SeqCst) == 8).await;
    let shutdown = tokio::spawn(deliverer.shutdown());
    tokio::task::yield_now().await;
    assert!(!shutdown.is_finished());
    release.store(true, Ordering::SeqCst);
    shutdown.await.unwrap();
    assert_eq!(host.begun.load(Ordering::SeqCst), 8);
    assert_eq!(book.waiting(), 12);
}

#[tokio::test]
async fn shutdown_gives_up_what_hangs_after_its_grace() {
    let book = Book::with(results(3, 1));
    let host = Host::new(|_| None);
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| host.carried().len() == 3).await;
    let ended = tokio::time::timeout(Duration::from_secs(10), deliverer.shutdown()).await;
    assert!(ended.is_ok());
    assert_eq!(book.waiting(), 3);
    // Taken up by the next one.
    let host = Host::new(|_| TAKEN);
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    book.bell.ring(&rig::addressee(Role::ThirdPartySp));
    until(|| book.waiting() == 0).await;
    deliverer.shutdown().await;
}

/// `entries`, to the other addressee.
fn to_iot_sp(entries: Vec<OutboxEntry>) -> impl Iterator<Item = OutboxEntry> {
    entries.into_iter().zip(100..).map(|(mut entry, n)| {
        entry.key.addressee = rig::addressee(Role::IotSp);
        entry.key.subject = Subject::Mapping(rig::mapping_id(n));
        entry
    })
}

#[tokio::test]
async fn attempts_of_all_lanes_are_bounded_together() {
    let mut entries = results(8, 1);
    entries.extend(to_iot_sp(results(8, 1)));
    let book = Book::with(entries);
    let open = Arc::new(AtomicBool::new(false));
    let host = Arc::new(Gate {
        open: open.clone(),
        begun: AtomicUsize::new(0),
    });
    let ambient = (
        StandingClock::new() as Arc<dyn ics_core::port::Clock>,
        Arc::new(CountingEntropy::default()) as Arc<dyn ics_core::port::Entropy>,
    );
    let narrow = Pace {
        total_in_flight: 3,
        ..pace()
    };
    let (outbox, bell) = (book.clone(), book.bell.clone());
    let deliverer = Deliverer::start_with(outbox, bell, host.clone(), ambient, narrow);
    // Three in all, and one at the host of each.
    until(|| host.begun.load(Ordering::SeqCst) == 5).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(host.begun.load(Ordering::SeqCst), 5);
    open.store(true, Ordering::SeqCst);
    until(|| book.waiting() == 0).await;
    deliverer.shutdown().await;
}

#[tokio::test]
async fn however_many_hang_each_other_sp_has_its_turn() {
    let mut entries = results(20, 1);
    entries.extend(to_iot_sp(results(30, 1)));
    let book = Book::with(entries);
    let host = Host::new(|entry| match entry.key.addressee.role {
        Role::ThirdPartySp => None,
        Role::IotSp => TAKEN,
    });
    let narrow = Pace {
        total_in_flight: 2,
        ..pace()
    };
    let deliverer = start(&book, &host, &StandingClock::new(), narrow);
    until(|| book.waiting() == 20).await;
    deliverer.shutdown().await;
}

#[tokio::test]
async fn however_many_hosts_of_an_sp_hang_each_other_has_its_turn() {
    const HANGING: [&str; 5] = [
        "https://a.example/cb",
        "https://b.example/cb",
        "https://c.example/cb",
        "https://d.example/cb",
        "https://e.example/cb",
    ];
    let book = two_hosts(100, 20, 2);
    for (host, hanging) in book
        .hosts
        .lock()
        .unwrap()
        .values_mut()
        .zip(HANGING.iter().cycle())
    {
        *host = hanging;
    }
    let hosts = book.clone();
    let host = Host::new(move |entry| match hosts.host_of(entry) {
        URL => TAKEN,
        _ => None,
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| book.waiting_for(URL) == 0).await;
    assert_eq!(book.waiting(), 100);
    deliverer.shutdown().await;
}

/// Holds everybody until it opens.
struct Gate {
    open: Arc<AtomicBool>,
    begun: AtomicUsize,
}

impl Carrier for Gate {
    fn carry<'a>(&'a self, _: &'a Consignment) -> PortFuture<'a, Outcome> {
        Box::pin(async {
            self.begun.fetch_add(1, Ordering::SeqCst);
            until(|| self.open.load(Ordering::SeqCst)).await;
            Outcome::Accepted { status: 204 }
        })
    }
}

#[tokio::test]
async fn what_waits_for_a_websocket_holds_up_no_callback_and_goes_when_one_opens() {
    let book = Book::with(results(20, 2));
    let by_websocket =
        |key: &OutboxKey| (0..10).any(|n| key.subject == Subject::Mapping(rig::mapping_id(n)));
    let open = Arc::new(AtomicBool::new(false));
    let told = open.clone();
    let host = Host::new(move |entry| {
        if !by_websocket(&entry.key) {
            return TAKEN;
        }
        Some(match told.load(Ordering::SeqCst) {
            true => Outcome::Acknowledged,
            false => Outcome::NoSocket,
        })
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| book.waiting() == 20 && host.carried().len() == 30).await;
    open.store(true, Ordering::SeqCst);
    host.socket.store(1, Ordering::SeqCst);
    book.bell.ring(&rig::addressee(Role::ThirdPartySp));
    until(|| book.waiting() == 0).await;
    deliverer.shutdown().await;
    let carried = host.carried();
    for n in 0..10 {
        let subject = Subject::Mapping(rig::mapping_id(n));
        let own = carried.iter().filter(|k| k.subject == subject);
        let sequences: Vec<_> = own.map(|k| k.sequence).collect();
        assert_eq!(sequences, [1, 1, 2], "again, then in order");
    }
}

/// Rows whose results go over oneM2M: the first ten.
fn by_onem2m(book: &Book) {
    let rows = (0..10).map(|n| Subject::Mapping(rig::mapping_id(n)));
    book.onem2m.lock().unwrap().extend(rows);
}

#[tokio::test]
async fn onem2m_out_of_reach_holds_up_no_callback_and_order_is_kept() {
    let book = Book::with(results(20, 2));
    by_onem2m(&book);
    let back = Arc::new(AtomicBool::new(false));
    let (roads, state) = (book.clone(), back.clone());
    let host = Host::new(move |entry| {
        if !roads.goes_over_onem2m(entry) {
            return TAKEN;
        }
        match state.load(Ordering::SeqCst) {
            true => Some(Outcome::Acknowledged),
            false => GONE,
        }
    });
    let clock = StandingClock::new();
    let deliverer = start(&book, &host, &clock, pace());
    until(|| book.waiting() == 20).await;
    back.store(true, Ordering::SeqCst);
    // What was tried is due again by the clock.
    until(|| {
        clock.0.fetch_add(10, Ordering::SeqCst);
        book.bell.ring(&rig::addressee(Role::ThirdPartySp));
        book.waiting() == 0
    })
    .await;
    deliverer.shutdown().await;
    let carried = host.carried();
    for n in 0..10 {
        let subject = Subject::Mapping(rig::mapping_id(n));
        let own = carried.iter().filter(|key| key.subject == subject);
        let sequences: Vec<_> = own.map(|key| key.sequence).collect();
        assert!(sequences.is_sorted(), "{sequences:?}");
        assert_eq!(sequences.iter().filter(|n| **n == 2).count(), 1);
    }
}

#[tokio::test]
async fn callbacks_that_rest_hold_up_nothing_over_onem2m() {
    let book = Book::with(results(20, 1));
    by_onem2m(&book);
    let waits: Vec<_> = {
        let mut entries = book.entries.lock().unwrap();
        let keys: Vec<_> = entries.keys().cloned().collect();
        let taken = keys.iter().filter_map(|key| {
            let is_over = book.goes_over_onem2m(entries.get(key)?);
            is_over.then(|| entries.remove(key)).flatten()
        });
        taken.collect()
    };
    let roads = book.clone();
    let host = Host::new(move |entry| {
        if roads.goes_over_onem2m(entry) {
            return Some(Outcome::Acknowledged);
        }
        Some(Outcome::Struggling {
            status: 503,
            retry_after: Some(Duration::from_secs(3600)),
        })
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    // The burst has ended, and the only host is left alone for an hour.
    until(|| book.reports.load(Ordering::SeqCst) == pace().lane_in_flight).await;
    for entry in waits {
        book.write(entry);
    }
    book.bell.ring(&rig::addressee(Role::ThirdPartySp));
    until(|| book.waiting() == 10).await;
    deliverer.shutdown().await;
    let left = book.entries.lock().unwrap();
    assert!(left.values().all(|entry| !book.goes_over_onem2m(entry)));
}

const OTHER: &str = "https://other.example/cb";

/// `dead` rows that go to a host of [`OTHER`], before `rows` that go to [`URL`].
fn two_hosts(dead: u16, rows: u8, sequences: u64) -> Arc<Book> {
    let subject = |n: u16| {
        let mut random = [0xff; 10];
        // The first bits are those of the version.
        random[2..4].copy_from_slice(&n.to_be_bytes());
        Subject::Mapping(ics_core::id::MappingId::mint(NOW, random))
    };
    let mut entries = results(rows, sequences);
    for entry in &mut entries {
        // Later than those of the dead host, and past all races of clocks.
        entry.next_attempt = Timestamp::from_millis(NOW.millis() - 5_000);
    }
    let model = results(1, 1).remove(0);
    let others = (0..dead).map(|n| {
        let mut entry = model.clone();
        entry.key.subject = subject(n);
        entry.next_attempt = Timestamp::from_millis(NOW.millis() - 60_000);
        entry
    });
    entries.extend(others);
    let book = Book::with(entries);
    let hosts = (0..dead).map(|n| (subject(n), OTHER));
    book.hosts.lock().unwrap().extend(hosts);
    book
}

impl Book {
    /// How many entries wait for that host.
    fn waiting_for(&self, host: &str) -> usize {
        let entries = self.entries.lock().unwrap();
        let waiting = entries.values().filter(|e| e.dead.is_none());
        waiting.filter(|e| self.host_of(e) == host).count()
    }
}

#[tokio::test]
async fn a_dead_host_holds_up_no_other_of_the_same_sp_and_order_is_kept() {
    let book = two_hosts(3000, 40, 3);
    let hosts = book.clone();
    let host = Host::new(move |entry| match hosts.host_of(entry) {
        OTHER => GONE,
        _ => TAKEN,
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| book.waiting_for(URL) == 0).await;
    deliverer.shutdown().await;
    let carried = host.carried();
    for n in 0..40 {
        let subject = Subject::Mapping(rig::mapping_id(n));
        let own = carried.iter().filter(|k| k.subject == subject);
        let sequences: Vec<_> = own.map(|k| k.sequence).collect();
        assert_eq!(sequences, [1, 2, 3]);
    }
    assert!(!host.doubled.load(Ordering::SeqCst));
    assert_eq!(book.waiting_for(OTHER), 3000);
    // The dead one was asked once in a while, not once for each entry.
    let dead = carried.len() - 120;
    assert!(dead < 1000, "{dead} attempts at a dead host");
}

#[tokio::test]
async fn a_hanging_host_holds_up_no_other_of_the_same_sp() {
    let book = two_hosts(100, 20, 2);
    let hosts = book.clone();
    let host = Host::new(move |entry| match hosts.host_of(entry) {
        OTHER => None,
        _ => TAKEN,
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| book.waiting_for(URL) == 0).await;
    // As many as one host may hold, and they hang still.
    assert_eq!(host.carried().len(), 40 + pace().lane_in_flight);
    deliverer.shutdown().await;
}

#[tokio::test]
async fn what_waits_for_a_dead_host_is_passed_by_once_and_not_at_every_look() {
    let book = two_hosts(4000, 0, 0);
    let hosts = book.clone();
    let host = Host::new(move |entry| match hosts.host_of(entry) {
        OTHER => Some(Outcome::Struggling {
            status: 503,
            retry_after: Some(Duration::from_secs(3600)),
        }),
        _ => TAKEN,
    });
    let clock = StandingClock::new();
    let deliverer = start(&book, &host, &clock, pace());
    until(|| book.routed.load(Ordering::SeqCst) >= 4000).await;
    for (n, entry) in results(200, 1).into_iter().enumerate() {
        let addressee = entry.key.addressee.clone();
        clock.0.fetch_add(20, Ordering::SeqCst);
        let next_attempt = Timestamp::from_millis(clock.0.load(Ordering::SeqCst));
        book.write(OutboxEntry {
            next_attempt,
            ..entry
        });
        book.bell.ring(&addressee);
        until(|| book.waiting_for(URL) == 0).await;
        assert_eq!(book.waiting(), 4000, "after {n}");
    }
    deliverer.shutdown().await;
    let routed = book.routed.load(Ordering::SeqCst);
    assert!(routed < 12_000, "{routed} looks at entries");
}

#[tokio::test]
async fn a_host_that_was_passed_by_gets_everything_when_it_is_back() {
    let book = two_hosts(600, 30, 2);
    let back = Arc::new(AtomicBool::new(false));
    let (hosts, state) = (book.clone(), back.clone());
    let host = Host::new(move |entry| match hosts.host_of(entry) {
        OTHER if !state.load(Ordering::SeqCst) => GONE,
        _ => TAKEN,
    });
    let clock = StandingClock::new();
    let deliverer = start(&book, &host, &clock, pace());
    until(|| book.waiting_for(URL) == 0).await;
    assert_eq!(book.waiting_for(OTHER), 600);
    back.store(true, Ordering::SeqCst);
    // Entries that were tried are due again by the clock.
    until(|| {
        clock.0.fetch_add(10, Ordering::SeqCst);
        book.bell.ring(&rig::addressee(Role::ThirdPartySp));
        book.waiting() == 0
    })
    .await;
    deliverer.shutdown().await;
}

#[tokio::test]
async fn what_is_given_up_behind_a_dead_host_holds_up_no_other() {
    let book = two_hosts(500, 40, 2);
    for entry in book.entries.lock().unwrap().values_mut() {
        if book.host_of(entry) == OTHER {
            entry.deadline = NOW;
        }
    }
    book.stuck.store(true, Ordering::SeqCst);
    let hosts = book.clone();
    let host = Host::new(move |entry| match hosts.host_of(entry) {
        OTHER => GONE,
        _ => TAKEN,
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| book.waiting_for(URL) == 0).await;
    assert!(book.waiting_for(OTHER) > 0);
    book.stuck.store(false, Ordering::SeqCst);
    until(|| book.waiting() == 0).await;
    deliverer.shutdown().await;
    assert_eq!(book.entries.lock().unwrap().len(), 500, "kept, all of them");
}

#[tokio::test]
async fn what_expired_behind_many_that_did_not_is_given_up_too() {
    let book = two_hosts(90, 30, 1);
    for entry in book.entries.lock().unwrap().values_mut() {
        if book.host_of(entry) == URL {
            entry.deadline = NOW;
        }
    }
    // One host has them all, and rests but once.
    book.hosts.lock().unwrap().clear();
    let host = Host::new(|_| {
        Some(Outcome::Struggling {
            status: 503,
            retry_after: Some(Duration::from_secs(3600)),
        })
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| book.waiting() == 90).await;
    deliverer.shutdown().await;
    assert_eq!(host.carried().len(), pace().lane_in_flight);
}

#[tokio::test]
async fn attempts_end_and_are_reported_while_the_lane_looks() {
    let book = Book::with(results(5, 1));
    let stalls = book.clone();
    let host = Host::new(move |_| {
        stalls.stalled.store(true, Ordering::SeqCst);
        TAKEN
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    // The first that ends makes the lane look, which waits for the store from then on.
    until(|| book.reports.load(Ordering::SeqCst) == 5).await;
    book.stalled.store(false, Ordering::SeqCst);
    until(|| book.waiting() == 0).await;
    deliverer.shutdown().await;
}

#[tokio::test]
async fn a_successor_the_store_could_not_tell_is_asked_for_again() {
    let book = two_hosts(100, 4, 3);
    let rows = (0..4).map(|n| Subject::Mapping(rig::mapping_id(n)));
    book.headless.lock().unwrap().extend(rows);
    let hosts = book.clone();
    let host = Host::new(move |entry| match hosts.host_of(entry) {
        OTHER => Some(Outcome::Struggling {
            status: 503,
            retry_after: Some(Duration::from_secs(3600)),
        }),
        _ => TAKEN,
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    until(|| book.waiting_for(URL) == 0).await;
    deliverer.shutdown().await;
    assert!(book.headless.lock().unwrap().is_empty());
    assert_eq!(book.waiting_for(OTHER), 100);
}

#[tokio::test]
async fn a_probe_of_a_dead_host_reads_few_of_those_that_wait_for_it() {
    let book = two_hosts(4000, 0, 0);
    let hosts = book.clone();
    let host = Host::new(move |entry| match hosts.host_of(entry) {
        OTHER => GONE,
        _ => TAKEN,
    });
    let deliverer = start(&book, &host, &StandingClock::new(), pace());
    // The burst of eight, then probes, which the host that is well does not change.
    until(|| book.routed.load(Ordering::SeqCst) >= 4000).await;
    let (probes, routed) = (host.carried().len(), book.routed.load(Ordering::SeqCst));
    until(|| host.carried().len() >= probes + 30).await;
    let routed = book.routed.load(Ordering::SeqCst) - routed;
    assert!(routed < 30 * 50, "{routed} looks at entries for 30 probes");
    deliverer.shutdown().await;
}

#[tokio::test]
async fn rests_of_one_host_do_not_keep_from_those_behind_it() {
    // One host rests for a moment at a time; another, behind all that waits for it, for longer.
    const LATE: &str = "https://late.example/cb";
    let book = two_hosts(3000, 30, 1);
    {
        let mut hosts = book.hosts.lock().unwrap();
        hosts.extend((0..20).map(|n| (Subject::Mapping(rig::mapping_id(n)), LATE)));
    }
    let back = Arc::new(AtomicBool::new(false));
    let (hosts, state) = (book.clone(), back.clone());
    let host = Host::new(move |entry| match hosts.host_of(entry) {
        OTHER => GONE,
        LATE if !state.load(Ordering::SeqCst) => Some(Outcome::Struggling {
            status: 503,
            retry_after: Some(Duration::from_millis(300)),
        }),
        _ => TAKEN,
    });
    let clock = StandingClock::new();
    let deliverer = start(&book, &host, &clock, pace());
    until(|| book.waiting_for(URL) == 0).await;
    assert_eq!(book.waiting_for(LATE), 20);
    back.store(true, Ordering::SeqCst);
    until(|| {
        clock.0.fetch_add(10, Ordering::SeqCst);
        book.waiting_for(LATE) == 0
    })
    .await;
    assert_eq!(book.waiting_for(OTHER), 3000);
    deliverer.shutdown().await;
}

/// Four hosts that hang, but for one entry at each of two of them.
struct Doors {
    book: Arc<Book>,
    first: Subject,
    open: AtomicBool,
}

const HANGING: [&str; 3] = [
    "https://a.example/cb",
    "https://b.example/cb",
    "https://c.example/cb",
];
const SLOWED: &str = "https://slowed.example/cb";
const GATED: &str = "https://gated.example/cb";

impl Carrier for Doors {
    fn carry<'a>(&'a self, consignment: &'a Consignment) -> PortFuture<'a, Outcome> {
        Box::pin(async {
            match self.book.host_of(&consignment.entry) {
                GATED => until(|| self.open.load(Ordering::SeqCst)).await,
                SLOWED if consignment.entry.key.subject != self.first => {}
                URL => {}
                _ => return std::future::pending().await,
            }
            Outcome::Accepted { status: 204 }
        })
    }
}

#[tokio::test]
async fn what_was_passed_by_in_a_full_lane_goes_once_the_lane_has_room() {
    let book = two_hosts(0, 1, 1);
    let subject = |n: u8| Subject::Mapping(rig::mapping_id(n));
    // Two at each of three hosts, and one at each of two: eight, as many as a lane has.
    let hanging = (100..106).zip(HANGING.into_iter().cycle());
    let others = [(110, SLOWED), (111, GATED), (112, SLOWED)];
    for (n, host) in hanging.chain(others) {
        let mut entry = results(1, 1).remove(0);
        entry.key.subject = subject(n);
        let earlier = 60_000 - 100 * i64::from(n);
        entry.next_attempt = Timestamp::from_millis(NOW.millis() - earlier);
        book.hosts.lock().unwrap().insert(subject(n), host);
        book.write(entry);
    }
    let doors = Arc::new(Doors {
        book: book.clone(),
        first: subject(110),
        open: AtomicBool::new(false),
    });
    let ambient = (
        StandingClock::new() as Arc<dyn ics_core::port::Clock>,
        Arc::new(CountingEntropy::default()) as Arc<dyn ics_core::port::Entropy>,
    );
    let narrow = Pace {
        lane_in_flight: 2,
        ..pace()
    };
    let (outbox, bell) = (book.clone(), book.bell.clone());
    let deliverer = Deliverer::start_with(outbox, bell, doors.clone(), ambient, narrow);
    // Behind all of them, and told at once: there was none under way at its host.
    until(|| book.waiting_for(URL) == 0).await;
    assert_eq!((book.waiting_for(SLOWED), book.waiting_for(GATED)), (2, 1));
    doors.open.store(true, Ordering::SeqCst);
    until(|| book.waiting_for(SLOWED) == 1).await;
    deliverer.shutdown().await;
    assert_eq!(book.waiting(), 7);
}
