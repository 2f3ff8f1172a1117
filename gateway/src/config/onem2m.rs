//! `[onem2m]`: the CSE of this gateway, and the platform it is joined to.

mod broker;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ics_core::id::Origin;
use ics_onem2m::address::Names;
use reqwest::Url;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::fault::{Fault, Faults};
use super::listeners::{ConnectionsSection, ListenSection};
use super::literal::origin;
use super::place::Place;
pub(crate) use broker::OneM2mMqttSection;

/// `[onem2m]`. Without `listen`, and without `--onem2m-listen`, no CSE is served.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneM2mSection {
    /// Where CSEs and AEs connect. Port 0: any free one, told at start.
    #[serde(default)]
    pub(crate) listen: Option<SocketAddr>,
    /// Server certificate and its chain, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM, mode 0600.
    pub(crate) key: PathBuf,
    /// CSE-ID, without its slash.
    #[serde(default = "cse_id")]
    pub(crate) cse_id: String,
    /// Name of the CSEBase.
    #[serde(default = "cse_name")]
    pub(crate) cse_name: String,
    /// The domain of absolute addresses and of names in certificates (M2M-SP-ID).
    #[serde(default = "sp_domain")]
    pub(crate) sp_domain: String,
    /// Where others reach this CSE: its point of access, of a proxy beside the platform perhaps.
    #[serde(default)]
    pub(crate) public_url: Option<String>,
    /// Where AEs that are not behind the registrar may be called, beside it: nobody else.
    #[serde(default, deserialize_with = "origins")]
    pub(crate) notify_origins: Vec<Origin>,
    /// The platform's CSE.
    #[serde(default)]
    pub(crate) registrar: Option<RegistrarSection>,
    /// The broker where that is asked, if not over HTTP.
    #[serde(default)]
    pub(crate) mqtt: Option<OneM2mMqttSection>,
    /// Caps and timeouts.
    #[serde(default)]
    pub(crate) connections: ConnectionsSection,
}

/// What the gateway is at the platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RegistrarMode {
    /// A CSE (Mcc).
    #[default]
    Cse,
    /// An AE with a mailbox for each service provider (Mca): the platform admits no foreign CSE.
    Mailbox,
}

/// `[onem2m.registrar]`: the CSE this one registers with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistrarSection {
    /// As what.
    #[serde(default)]
    pub(crate) mode: RegistrarMode,
    /// In mailbox mode: the name of the AE, and its AE-ID.
    #[serde(default)]
    ae_name: Option<String>,
    #[serde(default)]
    ae_id: Option<String>,
    /// Its CSE-ID, without the slash.
    pub(crate) cse_id: String,
    /// The name of its CSEBase.
    pub(crate) cse_name: String,
    #[serde(default, deserialize_with = "optional_origin")]
    url: Option<Origin>,
    #[serde(default)]
    sp_domain: Option<String>,
    #[serde(default)]
    anchor: Option<PathBuf>,
    #[serde(default)]
    certificate: Option<PathBuf>,
    #[serde(default)]
    key: Option<PathBuf>,
}

/// A registrar that speaks HTTP. All of it is there, or nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpRegistrar<'a> {
    /// Where it is reached: `https://host:port`.
    pub(crate) url: &'a Origin,
    /// The domain in its certificate's name, `//DOMAIN/CSE-ID`.
    pub(crate) sp_domain: &'a str,
    /// The authority of its certificates, as client and as server, PEM.
    pub(crate) anchor: &'a Path,
    /// What the gateway shows to it, PEM.
    pub(crate) certificate: &'a Path,
    /// Its private key, PEM, mode 0600.
    pub(crate) key: &'a Path,
}

fn cse_id() -> String {
    "id-ics".into()
}

fn cse_name() -> String {
    "ics".into()
}

fn sp_domain() -> String {
    "ics.example".into()
}

fn optional_origin<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Origin>, D::Error> {
    origin(from).map(Some)
}

fn origins<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Origin>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let parsed = texts.iter().map(|text| Origin::parse(text));
    let parsed = parsed.collect::<Result<_, _>>();
    parsed.map_err(|_| D::Error::custom("write `https://host:port`, without a path"))
}

impl OneM2mSection {
    /// What a CSE is called where nothing else is said.
    pub(crate) fn default_names() -> Names {
        Names {
            cse_id: cse_id(),
            cse_name: cse_name(),
            sp_domain: sp_domain(),
        }
    }

    /// What the CSE is called.
    pub(crate) fn names(&self) -> Names {
        Names {
            cse_id: self.cse_id.clone(),
            cse_name: self.cse_name.clone(),
            sp_domain: self.sp_domain.clone(),
        }
    }

    pub(super) fn check(&mut self, others: &ListenSection, place: &Place, faults: &mut Faults) {
        let taken = [
            ("listen.t8", others.t8),
            ("listen.operator", others.operator),
        ];
        for (by, address) in taken {
            if Some(address) == self.listen && address.port() != 0 {
                let wrong = format!("`{address}` is taken by `{by}`");
                let mend = "give it an address of its own";
                faults.take(Err(Fault::new("onem2m.listen", wrong, mend)));
            }
        }
        faults.take(place.file("onem2m.certificate", &mut self.certificate));
        faults.take(place.secret("onem2m.key", &mut self.key));
        for (key, name) in [
            ("onem2m.cse_id", &self.cse_id),
            ("onem2m.cse_name", &self.cse_name),
        ] {
            faults.take(check_name(key, name));
        }
        faults.take(check_domain("onem2m.sp_domain", &self.sp_domain));
        faults.take(self.check_public_url());
        if let Some(registrar) = &mut self.registrar {
            registrar.check(place, faults);
            if self.mqtt.is_none() && registrar.http().is_none() {
                let wrong = "how to reach the registrar is not said whole";
                let mend = "write `url`, `sp_domain`, `anchor`, `certificate` and `key`; or `[onem2m.mqtt]`";
                faults.take(Err(Fault::new("onem2m.registrar", wrong, mend)));
            }
            if self.mqtt.is_none() && self.public_url.is_none() {
                let wrong = "the registrar would not know where to reach this CSE";
                let mend = "write `public_url`, the origin of this CSE's listener as the registrar reaches it";
                faults.take(Err(Fault::new("onem2m.public_url", wrong, mend)));
            }
            if registrar.cse_id == self.cse_id {
                let wrong = format!("`{}` is this CSE's own", self.cse_id);
                let mend = "write the CSE-ID of the platform, without its slash";
                faults.take(Err(Fault::new("onem2m.registrar.cse_id", wrong, mend)));
            }
        }
        if let Some(mqtt) = &mut self.mqtt {
            mqtt.check(place, faults);
            if self.registrar.is_none() {
                let wrong = "nobody is asked over this broker";
                let mend = "write `[onem2m.registrar]` with `cse_id` and `cse_name`";
                faults.take(Err(Fault::new("onem2m.mqtt", wrong, mend)));
            }
            let is_mailbox = |r: &RegistrarSection| r.mode == RegistrarMode::Mailbox;
            if self.registrar.as_ref().is_some_and(is_mailbox) {
                let wrong = "a mailbox is reached over HTTP";
                let mend = "take `[onem2m.mqtt]` out, and write `url` of `[onem2m.registrar]`";
                faults.take(Err(Fault::new("onem2m.mqtt", wrong, mend)));
            }
        }
        self.connections.check("onem2m.connections", faults);
    }
}

impl OneM2mSection {
    fn check_public_url(&self) -> Result<(), Fault> {
        let Some(text) = &self.public_url else {
            return Ok(());
        };
        let is_origin = Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/"
        });
        if is_origin {
            return Ok(());
        }
        let wrong = format!("`{text}` is no point of access");
        let mend = "write what the platform is to call, such as `https://ics.example:8453`";
        Err(Fault::new("onem2m.public_url", wrong, mend))
    }
}

impl RegistrarSection {
    /// The name and the AE-ID of the gateway in mailbox mode.
    pub(crate) fn mailbox(&self) -> Option<(String, String)> {
        let (name, id) = default_ae();
        let own = (
            self.ae_name.clone().unwrap_or(name),
            self.ae_id.clone().unwrap_or(id),
        );
        (self.mode == RegistrarMode::Mailbox).then_some(own)
    }

    /// How it is reached over HTTP, if it is.
    pub(crate) fn http(&self) -> Option<HttpRegistrar<'_>> {
        Some(HttpRegistrar {
            url: self.url.as_ref()?,
            sp_domain: self.sp_domain.as_deref()?,
            anchor: self.anchor.as_deref()?,
            certificate: self.certificate.as_deref()?,
            key: self.key.as_deref()?,
        })
    }

    fn check(&mut self, place: &Place, faults: &mut Faults) {
        for (key, name) in [
            ("onem2m.registrar.cse_id", &self.cse_id),
            ("onem2m.registrar.cse_name", &self.cse_name),
        ] {
            faults.take(check_name(key, name));
        }
        self.check_ae(faults);
        if let Some(domain) = &self.sp_domain {
            faults.take(check_domain("onem2m.registrar.sp_domain", domain));
        }
        if let Some(anchor) = &mut self.anchor {
            faults.take(place.file("onem2m.registrar.anchor", anchor));
        }
        if let Some(certificate) = &mut self.certificate {
            faults.take(place.file("onem2m.registrar.certificate", certificate));
        }
        if let Some(key) = &mut self.key {
            faults.take(place.secret("onem2m.registrar.key", key));
        }
    }
}

impl RegistrarSection {
    fn check_ae(&self, faults: &mut Faults) {
        for (key, name) in [
            ("onem2m.registrar.ae_name", &self.ae_name),
            ("onem2m.registrar.ae_id", &self.ae_id),
        ] {
            let Some(name) = name else {
                continue;
            };
            faults.take(check_name(key, name));
            if self.mode == RegistrarMode::Cse {
                let wrong = "the gateway is no AE there, but a CSE";
                let mend = "write `mode = \"mailbox\"`, or take it out";
                faults.take(Err(Fault::new(key, wrong, mend)));
            }
        }
        let id = self.ae_id.as_deref();
        if let Some(id) = id.filter(|id| !id.starts_with(['C', 'S'])) {
            let wrong = format!("`{id}` is no AE-ID");
            let mend = "begin it with `C`, or with `S`, as the platform wants it";
            faults.take(Err(Fault::new("onem2m.registrar.ae_id", wrong, mend)));
        }
    }
}

/// The name and the AE-ID where the operator gives none.
pub(crate) fn default_ae() -> (String, String) {
    ("ics".into(), "Cics".into())
}

/// An id or a name of TS-0001 7.2: unreserved characters of RFC 3986.
fn check_name(key: &str, name: &str) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if (1..=64).contains(&name.len()) && name.chars().all(fits) && name != "-" {
        return Ok(());
    }
    let mend = "write 1 to 64 letters, digits, `-`, `.`, `_`, without a slash";
    Err(Fault::new(key, format!("`{name}` is no name"), mend))
}

fn check_domain(key: &str, domain: &str) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if (1..=253).contains(&domain.len()) && domain.chars().all(fits) {
        return Ok(());
    }
    let mend = "write a domain name, without slashes";
    Err(Fault::new(key, format!("`{domain}` is no domain"), mend))
}
