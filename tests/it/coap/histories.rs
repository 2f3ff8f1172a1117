//! The histories of MQTT, over CoAP: 30 percent of the datagrams are lost, as many come twice, as
//! many late; addresses change; the gateway is killed and the service provider suspended meanwhile.
//! Whatever happened, at quiet each device holds exactly the pairs that are ESTABLISHED, and a pair it
//! once forgot has never come back.
//!
//! `ICS_COAP_HISTORIES=1000` is for a release, `ICS_COAP_HISTORIES_AT_ONCE` says how many devices live
//! at a time, `ICS_HISTORY_SEED` goes through those of a seed again.

use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ics_examples::chance::Dice;
use ics_examples::coap_device::{Settings, run};
use ics_examples::device::{Copy, Pair};
use ics_examples::thing::{Command, Memory};
use ics_tests::device::unhex;
use ics_tests::{UdpProxy, UdpWeather};
use serde_json::json;

use crate::histories::caller::Caller;
use crate::histories::life::{Thing, live};
use crate::histories::thing::Shared;
use crate::histories::world::World;
use crate::histories::{Sizes, go_through};

const FOUL: UdpWeather = UdpWeather {
    loss: 30,
    duplication: 30,
    reordering: 30,
};

#[test]
fn whatever_happened_a_device_holds_exactly_its_established_rows() {
    let sizes = Sizes {
        variable: "ICS_COAP_HISTORIES",
        otherwise: 24,
        at_once: 40,
        // Who lost its gateway finds out after some seconds of silence, and needs some for a
        // handshake.
        rest: Duration::from_secs(8),
    };
    go_through(&sizes, |world, number, dice| {
        live::<CoapThing>(world, number, dice)
    });
}

/// A memory as long as there is power.
struct Powered {
    kept: Shared,
    is_on: Arc<Mutex<bool>>,
}

impl Memory for Powered {
    fn load(&self) -> std::io::Result<Copy> {
        Ok(self.kept.copy())
    }

    fn store(&mut self, copy: &Copy) -> std::io::Result<()> {
        let is_on = self.is_on.lock().unwrap();
        if *is_on {
            self.kept.store(copy)
        } else {
            Err(std::io::Error::other("no power"))
        }
    }
}

/// A hosted device in its owner's house, on CoAP.
struct CoapThing {
    id: String,
    identity: String,
    key: Vec<u8>,
    gateway: SocketAddr,
    dice: Dice,
    weather: Mutex<UdpWeather>,
    kept: Shared,
    running: Option<Running>,
}

/// From one loss of power to the next.
struct Running {
    line: UdpProxy,
    is_on: Arc<Mutex<bool>>,
    /// The device ends some time after this is gone; nothing of it gets through any more.
    commands: Sender<Command>,
}

impl CoapThing {
    fn switch_on(&mut self) {
        let weather = *self.weather.lock().unwrap();
        let line = UdpProxy::open(self.gateway, weather, self.dice.throw());
        // Impatient, for a history is over soon: the waits of RFC 7252 by a tenth.
        let settings = Settings {
            address: line.address(),
            identity: self.identity.clone(),
            key: self.key.clone(),
            room: 16,
            pause: (Duration::from_millis(100), Duration::from_secs(1)),
            poll: Duration::from_secs(1),
            answer: Duration::from_millis(150),
        };
        let is_on = Arc::new(Mutex::new(true));
        let memory = Powered {
            kept: self.kept.clone(),
            is_on: Arc::clone(&is_on),
        };
        let (commands, orders) = channel();
        let (kept, has_power) = (self.kept.clone(), Arc::clone(&is_on));
        std::thread::spawn(move || {
            // Its user wants nothing of that kind.
            let is_refused = |pair: &Pair| pair.svc.contains("/unwanted");
            let ended = run(settings, memory, &orders, is_refused, |_| {});
            if *has_power.lock().unwrap() {
                kept.note_fault(format!("device ended: {ended:?}"));
            }
        });
        self.running = Some(Running {
            line,
            is_on,
            commands,
        });
    }
}

impl Thing<'_> for CoapThing {
    fn new(world: &World, acme: &mut Caller<'_>, serial: &str, dice: &mut Dice) -> (Self, String) {
        let (device, serial) = world.register(acme, serial, ("coap", &json!({ "psk": {} })));
        let text = |name: &str| device["credentials"][0][name].as_str().expect("a text");
        let mut thing = Self {
            id: device["deviceId"].as_str().expect("an id").to_owned(),
            identity: text("pskIdentity").to_owned(),
            key: unhex(text("psk")),
            gateway: world.domain.coap_address().parse().expect("an address"),
            dice: dice.beside(dice.clone().throw()),
            weather: Mutex::new(FOUL),
            kept: Shared::default(),
            running: None,
        };
        thing.switch_on();
        (thing, serial)
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn restart(&mut self) {
        self.switch_off();
        self.switch_on();
    }

    fn switch_off(&mut self) {
        if let Some(running) = self.running.take() {
            running.line.cut(true);
            *running.is_on.lock().unwrap() = false;
        }
    }

    fn give_up(&self, id: &str) {
        if let Some(running) = &self.running {
            let _ = running.commands.send(Command::GiveUp(id.to_owned()));
        }
    }

    fn change_place(&self) {
        if let Some(running) = &self.running {
            running.line.rebind();
        }
    }

    fn clear_up(&self) {
        *self.weather.lock().unwrap() = UdpWeather::FAIR;
        if let Some(running) = &self.running {
            running.line.change(UdpWeather::FAIR);
        }
    }

    fn copy(&self) -> Copy {
        self.kept.copy()
    }

    fn faults(&self) -> Vec<String> {
        self.kept.faults()
    }
}

impl Drop for CoapThing {
    fn drop(&mut self) {
        self.switch_off();
    }
}
