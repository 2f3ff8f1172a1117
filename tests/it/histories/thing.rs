//! A device that is run: the one of the examples, behind the proxy of the examples, with a memory
//! that outlives it and notes what must not be.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ics_examples::chance::Dice;
use ics_examples::device::Copy;
use ics_examples::lossy::{LossyProxy, Upstream, Weather};
use ics_examples::mqtt_device::{Command, Memory, Settings, run};
use ics_examples::tls::device_tls;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::caller::Caller;
use super::life::Thing;
use super::world::World;

/// 30 percent of everything, and no connection for longer than a few seconds.
const FOUL: Weather = Weather {
    loss: 30,
    duplication: 30,
    reordering: 30,
    longest_delay: Duration::from_millis(400),
    lifetime: Some(Duration::from_secs(5)),
};

/// What survives a loss of power, and what was seen of it.
#[derive(Default)]
struct Kept {
    copy: Copy,
    forgotten: BTreeSet<String>,
    faults: Vec<String>,
}

#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Kept>>);

impl Memory for Shared {
    fn load(&self) -> std::io::Result<Copy> {
        Ok(self.0.lock().unwrap().copy.clone())
    }

    fn store(&mut self, copy: &Copy) -> std::io::Result<()> {
        let mut kept = self.0.lock().unwrap();
        let Kept {
            copy: before,
            forgotten,
            faults,
        } = &mut *kept;
        if copy.v <= before.v {
            faults.push(format!("version {} after {}", copy.v, before.v));
        }
        for pair in before.m.iter().filter(|pair| copy.pair(&pair.id).is_none()) {
            forgotten.insert(pair.id.clone());
        }
        for pair in copy.m.iter().filter(|pair| forgotten.contains(&pair.id)) {
            faults.push(format!("{} came back with version {}", pair.id, copy.v));
        }
        *before = copy.clone();
        Ok(())
    }
}

impl Shared {
    pub(crate) fn copy(&self) -> Copy {
        self.0.lock().unwrap().copy.clone()
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.0.lock().unwrap().faults.clone()
    }

    pub(crate) fn note_fault(&self, fault: String) {
        self.0.lock().unwrap().faults.push(fault);
    }
}

/// A hosted device in its owner's house, on MQTT.
pub(super) struct MqttThing<'w> {
    world: &'w World,
    id: String,
    kept: Shared,
    proxy: LossyProxy,
    running: Option<(JoinHandle<()>, mpsc::Sender<Command>)>,
}

impl MqttThing<'_> {
    fn switch_on(&mut self) {
        let settings = Settings {
            address: ("127.0.0.1".to_owned(), self.proxy.address().port()),
            device_id: self.id.clone(),
            tls: None,
            room: 16,
            pause: (Duration::from_millis(200), Duration::from_secs(3)),
        };
        let (send, commands) = mpsc::channel(8);
        // Its user wants nothing of that kind.
        let is_refused = |pair: &ics_examples::device::Pair| pair.svc.contains("/unwanted");
        let memory = self.kept.clone();
        let kept = self.kept.clone();
        let device = async move {
            let ended = run(settings, memory, commands, is_refused, |_| {}).await;
            kept.note_fault(format!("device ended: {ended:?}"));
        };
        self.running = Some((self.world.runtime.spawn(device), send));
    }
}

impl<'w> Thing<'w> for MqttThing<'w> {
    fn new(
        world: &'w World,
        acme: &mut Caller<'_>,
        serial: &str,
        dice: &mut Dice,
    ) -> (Self, String) {
        let hosted = world.host(acme, serial);
        let place = hosted.place;
        let tls = device_tls(&place.authority, &hosted.certificate, &hosted.key);
        let upstream = Upstream {
            address: (place.host, place.port),
            tls: tls.expect("its files"),
        };
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let dice = dice.beside(dice.clone().throw());
        let proxy = LossyProxy::open(anywhere, upstream, FOUL, dice);
        let mut thing = Self {
            world,
            id: hosted.id,
            kept: Shared::default(),
            proxy: world.runtime.block_on(proxy).expect("a free port"),
            running: None,
        };
        thing.switch_on();
        (thing, hosted.serial)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn restart(&mut self) {
        self.switch_off();
        self.switch_on();
    }

    fn switch_off(&mut self) {
        if let Some((task, _)) = self.running.take() {
            task.abort();
            // Not before it has ended is what it stored all there is.
            let _ = self.world.runtime.block_on(task);
        }
    }

    fn give_up(&self, id: &str) {
        if let Some((_, commands)) = &self.running {
            let _ = commands.blocking_send(Command::GiveUp(id.to_owned()));
        }
    }

    fn clear_up(&self) {
        self.proxy.change(Weather::FAIR);
    }

    fn copy(&self) -> Copy {
        self.kept.copy()
    }

    fn faults(&self) -> Vec<String> {
        self.kept.faults()
    }
}

impl Drop for MqttThing<'_> {
    fn drop(&mut self) {
        if let Some((task, _)) = self.running.take() {
            task.abort();
        }
    }
}
