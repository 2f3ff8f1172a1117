//! A device of the kit that runs in the test's own process, with its key, until this is dropped.

use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ics_examples::coap_device::{Settings, run};
use ics_examples::device::Copy;
use ics_examples::thing::{Command, Memory, Notice};
use ics_tests::wait_for;

use super::world::Thing;

/// What it holds, as long as it runs.
#[derive(Default)]
struct Held(Copy);

impl Memory for Held {
    fn load(&self) -> std::io::Result<Copy> {
        Ok(self.0.clone())
    }

    fn store(&mut self, copy: &Copy) -> std::io::Result<()> {
        self.0 = copy.clone();
        Ok(())
    }
}

pub(crate) struct Live {
    told: Arc<Mutex<Vec<String>>>,
    /// It ends when this is gone.
    _commands: Sender<Command>,
}

impl Live {
    /// Runs it towards a gateway at `address`, impatient: everything is done again after little
    /// time.
    pub(crate) fn start(thing: &Thing, address: &str) -> Self {
        let settings = Settings {
            address: address.parse::<SocketAddr>().expect("an address"),
            identity: thing.identity.clone(),
            key: thing.key.clone(),
            room: 16,
            pause: (Duration::from_millis(100), Duration::from_millis(500)),
            poll: Duration::from_millis(500),
            answer: Duration::from_millis(200),
        };
        let (commands, orders) = channel();
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = Arc::clone(&told);
        std::thread::spawn(move || {
            let tell = |notice: Notice| telling.lock().unwrap().push(notice.describe(None));
            run(settings, Held::default(), &orders, |_| false, tell).expect("a memory that holds");
        });
        Self {
            told,
            _commands: commands,
        }
    }

    /// Everything it has told, a line each.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    /// How often it told something that begins so.
    pub(crate) fn count(&self, beginning: &str) -> usize {
        let told = self.told();
        told.iter()
            .filter(|line| line.starts_with(beginning))
            .count()
    }

    /// Waits until it told something that begins so, and answers the first such line.
    #[track_caller]
    pub(crate) fn wait(&self, beginning: &str) -> String {
        wait_for(&format!("a device to tell: {beginning}"), || {
            let told = self.told();
            told.into_iter().find(|line| line.starts_with(beginning))
        })
    }
}
