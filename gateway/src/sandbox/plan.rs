//! What a sandbox is made of: its parties, their grants, its ports and files.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use ics_core::port::Entropy;
use serde::{Deserialize, Serialize};

/// A service provider of the sandbox.
pub(crate) struct PartyPlan {
    /// Its id.
    pub(crate) id: &'static str,
    /// What its keys in `sandbox.env` start with.
    pub(crate) key: &'static str,
    /// What it was granted.
    pub(crate) grant: Grant,
}

/// What a party of the sandbox was granted.
#[derive(Clone, Copy)]
pub(crate) enum Grant {
    /// A service URI, with everything under it: a third party SP.
    Service(&'static str),
    /// A serial number prefix: an IoT SP.
    SerialPrefix(&'static str),
}

/// Two of each kind. Agreements are between all pairs but the last of each.
pub(crate) const PARTIES: [PartyPlan; 4] = [
    PartyPlan {
        id: "shop",
        key: "ICS_3P",
        grant: Grant::Service("https://shop.example/services"),
    },
    PartyPlan {
        id: "music",
        key: "ICS_3P2",
        grant: Grant::Service("https://music.example/songs"),
    },
    PartyPlan {
        id: "acme-iot",
        key: "ICS_IOT",
        grant: Grant::SerialPrefix("ACME-"),
    },
    PartyPlan {
        id: "bolt-iot",
        key: "ICS_IOT2",
        grant: Grant::SerialPrefix("BOLT-"),
    },
];

/// One that was onboarded, and has no certificate yet: it has an invitation.
pub(crate) const NEWCOMER: PartyPlan = PartyPlan {
    id: "books",
    key: "ICS_NEW",
    grant: Grant::Service("https://books.example/loans"),
};

/// Pairs of (IoT SP, third party SP) that have an agreement.
pub(crate) const AGREEMENTS: [(&str, &str); 4] = [
    ("acme-iot", "shop"),
    ("acme-iot", "music"),
    ("bolt-iot", "shop"),
    ("acme-iot", "books"),
];

/// A hosted device of the sandbox.
pub(crate) struct DevicePlan {
    /// What it is, and what its files are called.
    pub(crate) name: &'static str,
    /// What its keys in `sandbox.env` start with.
    pub(crate) key: &'static str,
    /// What its serial number starts with.
    pub(crate) serial_prefix: &'static str,
}

/// The IoT SP that sits on the oneM2M platform, where there is one: it takes no pushes over T8.
pub(crate) const ON_PLATFORM: &str = "bolt-iot";

/// The IoT SP whose devices the gateway hosts.
pub(crate) const HOST: &str = "acme-iot";

/// Its devices: a smart lock and a light (Y.4462 Appendix I.2), and a watch (I.4).
pub(crate) const DEVICES: [DevicePlan; 3] = [
    DevicePlan {
        name: "lock",
        key: "ICS_DEV",
        serial_prefix: "ACME-LOCK-",
    },
    DevicePlan {
        name: "light",
        key: "ICS_DEV2",
        serial_prefix: "ACME-LIGHT-",
    },
    DevicePlan {
        name: "watch",
        key: "ICS_DEV3",
        serial_prefix: "ACME-WATCH-",
    },
];

/// What follows the prefix in serial numbers that are accepted by themselves.
pub(crate) const AUTO: &str = "AUTO-";

/// The ports of a sandbox; kept over restarts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Ports {
    /// The gateway's T8 listener.
    pub(crate) t8: u16,
    /// The gateway's operator listener.
    pub(crate) operator: u16,
    /// The receivers of notifications.
    pub(crate) callback: u16,
    /// The page that shows them.
    pub(crate) inbox: u16,
    /// The gateway's MQTT listener.
    pub(crate) mqtt: u16,
    /// The gateway's CoAP listener, UDP.
    pub(crate) coap: u16,
    /// The gateway's CSE, plain HTTP.
    pub(crate) onem2m: u16,
    /// Where service providers enrol.
    pub(crate) enrolment: u16,
}

impl Ports {
    /// Eight in a row from `base`.
    pub(crate) fn from_base(base: u16) -> Option<Self> {
        Some(Self {
            t8: base,
            operator: base.checked_add(1)?,
            callback: base.checked_add(2)?,
            inbox: base.checked_add(3)?,
            mqtt: base.checked_add(4)?,
            coap: base.checked_add(5)?,
            onem2m: base.checked_add(6)?,
            enrolment: base.checked_add(7)?,
        })
    }

    /// Eight in a row that are free now, from a place at random below those that systems give to
    /// connections that go out (Linux: from 32768): nobody is likely to hold them when the sandbox is
    /// continued.
    ///
    /// # Errors
    /// [`io::Error`] when none were found.
    pub(crate) fn free(entropy: &dyn Entropy) -> io::Result<Self> {
        const FIRST: u16 = 20_000;
        const PLACES: u16 = 12_000;
        for _ in 0..100 {
            let mut random = [0; 2];
            entropy.fill(&mut random);
            let base = FIRST + u16::from_ne_bytes(random) % PLACES;
            if let Some(ports) = Self::from_base(base)
                && ports.are_free()
            {
                return Ok(ports);
            }
        }
        Err(io::ErrorKind::AddrNotAvailable.into())
    }

    fn are_free(self) -> bool {
        let tcp = [
            self.t8,
            self.operator,
            self.callback,
            self.inbox,
            self.mqtt,
            self.onem2m,
            self.enrolment,
        ];
        tcp.iter()
            .all(|port| TcpListener::bind(loopback(*port)).is_ok())
            && UdpSocket::bind(loopback(self.coap)).is_ok()
    }

    /// `https://host:port` of the T8 listener.
    pub(crate) fn t8_url(self) -> String {
        format!("https://{}", loopback(self.t8))
    }

    /// `https://host:port` of the operator listener.
    pub(crate) fn operator_url(self) -> String {
        format!("https://{}", loopback(self.operator))
    }

    /// `https://host:port` of the receivers; it is the origin of every party's callbacks.
    pub(crate) fn callback_url(self) -> String {
        format!("https://{}", loopback(self.callback))
    }

    /// `coaps://host:port` of the CoAP listener.
    pub(crate) fn coaps_url(self) -> String {
        format!("coaps://{}", loopback(self.coap))
    }

    /// `http://host:port` of the page that shows notifications.
    pub(crate) fn inbox_url(self) -> String {
        format!("http://{}", loopback(self.inbox))
    }

    /// Reads those of an earlier run, if there was one.
    ///
    /// # Errors
    /// [`io::Error`]; `InvalidData` when an older version wrote them.
    pub(crate) fn read(file: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(file) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps them for the next run.
    ///
    /// # Errors
    /// [`io::Error`].
    pub(crate) fn write(self, file: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&self).map_err(io::Error::other)?;
        std::fs::write(file, text)
    }
}

/// `127.0.0.1:port`.
pub(crate) const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Where a sandbox keeps its files.
pub(crate) struct Layout(pub(crate) PathBuf);

impl Layout {
    /// The gateway's own domain, as `init` makes one.
    pub(crate) fn domain(&self) -> PathBuf {
        self.0.join("domain")
    }

    /// A file of the domain.
    pub(crate) fn of_domain(&self, file: &str) -> PathBuf {
        self.domain().join(file)
    }

    /// The ports.
    pub(crate) fn ports(&self) -> PathBuf {
        self.0.join("ports.json")
    }

    /// The notifications received so far, a line each.
    pub(crate) fn inbox(&self) -> PathBuf {
        self.0.join("inbox.base64")
    }

    /// What testers read.
    pub(crate) fn env(&self) -> PathBuf {
        self.0.join("sandbox.env")
    }

    /// Certificate and key of a party, or of the receivers.
    pub(crate) fn credential(&self, name: &str) -> (PathBuf, PathBuf) {
        self.pair("parties", name)
    }

    /// The key a party signs its requests with over oneM2M.
    pub(crate) fn onem2m_key(&self, sp: &str) -> PathBuf {
        self.0.join("parties").join(format!("{sp}.onem2m.key"))
    }

    /// Certificate and key of a hosted device.
    pub(crate) fn device(&self, name: &str) -> (PathBuf, PathBuf) {
        self.pair("devices", name)
    }

    /// The pre-shared key of a hosted device.
    pub(crate) fn device_psk(&self, name: &str) -> PathBuf {
        self.0.join("devices").join(format!("{name}.psk"))
    }

    fn pair(&self, folder: &str, name: &str) -> (PathBuf, PathBuf) {
        let folder = self.0.join(folder);
        (
            folder.join(format!("{name}.pem")),
            folder.join(format!("{name}.key")),
        )
    }
}
