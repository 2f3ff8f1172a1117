//! A new operator domain: authorities, certificates, keys and a configuration that teaches.
//!
//! Everything is made beside the directory first and moved there whole: what exists is never
//! touched, and what a crash leaves behind is never mistaken for a domain. Directories are 0700,
//! keys 0600.

mod files;
mod template;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ics_core::id::{Origin, SpId};
use ics_core::port::{AuthorityError, Clock, Entropy};
use ics_vault::{
    Authority, CertificateIdentity, InvalidKeyMaterial, InvalidServerName, IssuedKey, Keyring,
    NewAuthority, ServerNames, SigningKey,
};

use files::Staging;

const DAY: Duration = Duration::from_secs(86_400);
/// Of the root, which outlives the authorities it signs.
const ROOT_VALIDITY: Duration = DAY.saturating_mul(7300);
pub(crate) const AUTHORITY_VALIDITY: Duration = DAY.saturating_mul(3650);
/// What the authority of service providers is called, and the next one under the same root.
pub(crate) const SP_AUTHORITY: &str = "ICS service provider CA";
const LEAF_VALIDITY: Duration = DAY.saturating_mul(397);

/// What the new domain shall be like.
#[derive(Clone, Debug)]
pub(crate) struct Domain {
    /// Where it is written; must not exist, or be empty.
    pub(crate) directory: PathBuf,
    /// Where service providers will connect.
    pub(crate) t8: SocketAddr,
    /// Where the operator's own systems will connect.
    pub(crate) operator: SocketAddr,
    /// Where hosted devices will connect over MQTT.
    pub(crate) mqtt: SocketAddr,
    /// Where hosted devices will come to over CoAP, UDP.
    pub(crate) coap: SocketAddr,
    /// Where service providers will enrol, if they shall do so by themselves.
    pub(crate) enrolment: Option<SocketAddr>,
    /// What service providers put before every path; by default the T8 address.
    pub(crate) public_url: Option<Origin>,
    /// Settings that differ from the defaults.
    pub(crate) settings: Settings,
}

/// Settings a new configuration starts with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// Private networks that callbacks may go to, such as `127.0.0.0/8`.
    pub(crate) allowed_networks: Vec<String>,
    /// Failures are told at once instead of after the floor.
    pub(crate) tell_failures_at_once: bool,
}

/// Why there is no new domain. The directory is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitError {
    /// There is something already.
    #[error("`{}` is not empty; choose a new directory, nothing is ever overwritten", .0.display())]
    NotEmpty(PathBuf),
    /// A file or directory could not be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The host cannot stand in a certificate.
    #[error("host of the public URL: {0}")]
    Host(#[from] InvalidServerName),
    /// No certificate could be made.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] InvalidKeyMaterial),
    /// The public URL cannot be made of the address.
    #[error("cannot make a public URL of `{0}`: name one with `--public-url`")]
    PublicUrl(SocketAddr),
    /// Nobody connects to all addresses of a host.
    #[error(
        "`{0}` stands for all addresses of this host: name what service providers connect to with `--public-url`"
    )]
    Unspecified(SocketAddr),
    /// Two listeners at one address.
    #[error("`{0}` is the address of two listeners: each needs its own")]
    SameAddress(SocketAddr),
}

/// Writes the domain and answers where its configuration file is.
///
/// # Errors
/// [`InitError`].
pub(crate) fn create_domain(
    domain: &Domain,
    clock: &dyn Clock,
    entropy: Arc<dyn Entropy>,
) -> Result<PathBuf, InitError> {
    check_addresses(domain)?;
    let public_url = public_url(domain)?;
    let names = server_names(&public_url, domain.t8)?;
    let mqtt_names = server_names(&public_url, domain.mqtt)?;
    let coap_names = server_names(&public_url, domain.coap)?;
    let operator_names = server_names(&origin_of(domain.operator)?, domain.operator)?;
    let staging = Staging::beside(&domain.directory)?;
    let maker = Maker {
        staging: &staging,
        clock,
        entropy,
    };

    maker.secret("keys/keyring", &Keyring::generate(&*maker.entropy).render())?;
    maker.secret(
        "keys/notify-signing.key",
        &SigningKey::generate(&*maker.entropy)?.to_pem()?,
    )?;

    let now = clock.now();
    let sp = maker.issuing()?;
    maker.issued("t8/server", &sp.issue_server(&names, LEAF_VALIDITY, now)?)?;
    // Devices believe whom service providers believe: one root to be installed.
    let mqtt = sp.issue_server(&mqtt_names, LEAF_VALIDITY, now)?;
    maker.issued("mqtt/server", &mqtt)?;
    let coap = sp.issue_server(&coap_names, LEAF_VALIDITY, now)?;
    maker.issued("coap/server", &coap)?;
    let onem2m = sp.issue_server(&names, LEAF_VALIDITY, now)?;
    maker.issued("onem2m/server", &onem2m)?;
    let enrolment_names = server_names(&public_url, domain.enrolment.unwrap_or(domain.t8))?;
    let enrolment = sp.issue_server(&enrolment_names, LEAF_VALIDITY, now)?;
    maker.issued("enrolment/server", &enrolment)?;
    let gateway = CertificateIdentity::Gateway(name_of("ics-gateway")?);
    maker.issued(
        "notify/client",
        &sp.issue_client(&gateway, LEAF_VALIDITY, now)?,
    )?;

    // Of its own: what it signed opens no other listener.
    maker.authority("ICS device CA", "authority/device-ca")?;

    let operator = maker.authority("ICS operator CA", "authority/operator-ca")?;
    let served = operator.issue_server(&operator_names, LEAF_VALIDITY, now)?;
    maker.issued("operator/server", &served)?;
    let cli = CertificateIdentity::Operator(name_of("cli")?);
    maker.issued(
        "operator/cli",
        &operator.issue_client(&cli, LEAF_VALIDITY, now)?,
    )?;

    staging.directory("store")?;
    staging.directory("decisions")?;
    staging.public("policies/devices.toml", template::DEVICES)?;
    staging.public(CONFIGURATION, &template::render(domain, &public_url))?;
    staging.publish(&domain.directory)?;
    Ok(domain.directory.join(CONFIGURATION))
}

const CONFIGURATION: &str = "gateway.toml";

/// What lies beside the root's key.
const OFFLINE: &str = "\
sp-root.key signs the authority that certifies service providers. The gateway never reads it.
Carry this directory to a medium that is locked away, and delete it here: while it lies here,
whoever takes this host can make authorities that everybody believes.

It is needed again when authority/sp-ca.key is lost, was seen by others, or has to be replaced:
    ics-gateway ca renew --root-certificate sp-root.pem --root-key sp-root.key --out DIR
";

/// A configuration file with every key that must be there, for no domain in particular.
pub(crate) fn complete_configuration() -> String {
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let domain = Domain {
        directory: PathBuf::new(),
        t8: loopback(8443),
        operator: loopback(8444),
        mqtt: loopback(8883),
        coap: loopback(5684),
        enrolment: None,
        public_url: None,
        settings: Settings::default(),
    };
    origin_of(domain.t8)
        .map(|url| template::render(&domain, &url))
        .unwrap_or_default()
}

/// What makes the parts of a domain.
struct Maker<'a> {
    staging: &'a Staging,
    clock: &'a dyn Clock,
    entropy: Arc<dyn Entropy>,
}

impl Maker<'_> {
    fn authority(&self, name: &str, path: &str) -> Result<Authority, InitError> {
        let made = Authority::create(name, AUTHORITY_VALIDITY, self.clock.now(), &*self.entropy)?;
        self.keep(&made, path)
    }

    /// The authority that issues to service providers, under a root whose key is to be carried away.
    fn issuing(&self) -> Result<Authority, InitError> {
        let now = self.clock.now();
        let name = "ICS service provider root";
        let root = Authority::create_root(name, ROOT_VALIDITY, now, &*self.entropy)?;
        self.staging
            .public("authority/sp-root.pem", &root.certificate_pem)?;
        self.staging.public("offline/README", OFFLINE)?;
        let root = self.keep(&root, "offline/sp-root")?;
        let made = root.create_issuing(SP_AUTHORITY, AUTHORITY_VALIDITY, now)?;
        self.keep(&made, "authority/sp-ca")
    }

    fn keep(&self, made: &NewAuthority, path: &str) -> Result<Authority, InitError> {
        let (certificate, key) = (&made.certificate_pem, &made.key_pem);
        self.staging.public(&format!("{path}.pem"), certificate)?;
        self.secret(&format!("{path}.key"), key)?;
        Ok(Authority::load(
            certificate,
            key,
            Arc::clone(&self.entropy),
        )?)
    }

    fn issued(&self, path: &str, issued: &IssuedKey) -> Result<(), InitError> {
        self.staging
            .public(&format!("{path}.pem"), &issued.certificate.pem)?;
        self.secret(&format!("{path}.key"), &issued.key_pem)
    }

    fn secret(&self, path: &str, text: &str) -> Result<(), InitError> {
        self.staging.secret(path, text)
    }
}

fn check_addresses(domain: &Domain) -> Result<(), InitError> {
    // CoAP is UDP: it takes no port from these.
    let addresses = [domain.t8, domain.operator, domain.mqtt].into_iter();
    let addresses = addresses.chain(domain.enrolment);
    let mut known = Vec::new();
    for address in addresses.filter(|address| address.port() != 0) {
        if known.contains(&address) {
            return Err(InitError::SameAddress(address));
        }
        known.push(address);
    }
    Ok(())
}

fn name_of(text: &str) -> Result<SpId, InitError> {
    SpId::parse(text).map_err(|_| InitError::Authority(AuthorityError::Unavailable))
}

fn public_url(domain: &Domain) -> Result<Origin, InitError> {
    match &domain.public_url {
        Some(url) => Ok(url.clone()),
        None if domain.t8.ip().is_unspecified() => Err(InitError::Unspecified(domain.t8)),
        None => origin_of(domain.t8),
    }
}

fn origin_of(address: SocketAddr) -> Result<Origin, InitError> {
    let text = match address.port() {
        // RFC 3986 6.2.3: the default port is not written.
        443 if address.is_ipv6() => format!("https://[{}]", address.ip()),
        443 => format!("https://{}", address.ip()),
        _ => format!("https://{address}"),
    };
    Origin::parse(&text).map_err(|_| InitError::PublicUrl(address))
}

/// The host of the URL, the address itself, and on loopback its name.
fn server_names(url: &Origin, address: SocketAddr) -> Result<ServerNames, InitError> {
    let mut names = vec![host_of(url).to_owned()];
    if !address.ip().is_unspecified() {
        names.push(address.ip().to_string());
    }
    if address.ip().is_loopback() {
        names.push("localhost".to_owned());
    }
    names.dedup();
    Ok(ServerNames::parse(names.iter().map(String::as_str))?)
}

/// Whether the URL names all addresses of a host, and so none that anybody connects to.
pub(crate) fn is_unspecified(url: &Origin) -> bool {
    let address: Result<IpAddr, _> = host_of(url).parse();
    address.is_ok_and(|address| address.is_unspecified())
}

fn host_of(url: &Origin) -> &str {
    let authority = url.as_str().trim_start_matches("https://");
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

#[cfg(test)]
mod tests;
