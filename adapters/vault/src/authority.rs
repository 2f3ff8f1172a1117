//! The certificate authority (Y.4462 10.4, TS 33.310 6.1.3a): SPs, servers, operators, itself.
//!
//! Every certificate is written here from scratch: random serial number, one identity, one purpose,
//! CA:FALSE, key identifiers, a bounded validity. It is then read back and checked before it is
//! given out, so that a name or key the encoder mangled never leaves.

mod revocation;
mod server_names;
mod template;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ics_core::id::{DeviceId, SpId};
use ics_core::port::{
    AuthorityError, CertificateAuthority, DeviceAuthority, Entropy, IssuedCertificate, Revoked,
};
use ics_core::principal::CertificateSerial;
use ics_core::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, PublicKeyData, SanType,
};
use zeroize::Zeroizing;

pub use server_names::{InvalidServerName, ServerNames};
use template::{before, blank_certificate};

use crate::certificate::{
    CertificateIdentity, parse_der, read_certificate, thumbprint_of, timestamp_of,
};
use crate::ecdsa::EcdsaKey;
use crate::pem::{self, Block, InvalidKeyMaterial};
use crate::request::read_requested_key;

/// An authority: its certificate, and the key that signs for it (ECDSA P-256 or P-384).
pub struct Authority {
    issuer: Issuer<'static, EcdsaKey>,
    certificate: Vec<u8>,
    chain_pem: String,
    not_before: Timestamp,
    not_after: Timestamp,
    entropy: Arc<dyn Entropy>,
    /// Where its list of revoked certificates lies.
    list: Option<String>,
}

/// A new authority's certificate and key.
pub struct NewAuthority {
    /// PEM; behind it the one of the root, if it is not self-signed.
    pub certificate_pem: String,
    /// The private key, PKCS#8 PEM.
    pub key_pem: Zeroizing<String>,
}

/// A certificate and the key that was made with it.
pub struct IssuedKey {
    /// The certificate.
    pub certificate: IssuedCertificate,
    /// The private key, PKCS#8 PEM.
    pub key_pem: Zeroizing<String>,
}

impl Authority {
    /// Makes a self-signed authority named `name` (1 to 64 characters, RFC 5280 A.1) with a new P-256 key; it may sign certificates,
    /// but no further authority (pathLen 0).
    ///
    /// # Errors
    /// [`AuthorityError::Unavailable`] when the cryptographic provider fails.
    pub fn create(
        name: &str,
        validity: Duration,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<NewAuthority, AuthorityError> {
        Self::create_self_signed((name, 0), (now, validity), entropy)
    }

    /// Makes a self-signed root named `name`: the authorities it signs may sign no further ones
    /// (pathLen 1).
    ///
    /// # Errors
    /// [`AuthorityError::Unavailable`] when the cryptographic provider fails.
    pub fn create_root(
        name: &str,
        validity: Duration,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<NewAuthority, AuthorityError> {
        Self::create_self_signed((name, 1), (now, validity), entropy)
    }

    fn create_self_signed(
        (name, path_length): (&str, u8),
        (now, validity): (Timestamp, Duration),
        entropy: &dyn Entropy,
    ) -> Result<NewAuthority, AuthorityError> {
        let key = EcdsaKey::generate()?;
        let (from, until) = (before(now), now.plus(validity));
        let mut params = blank_certificate(name, (from, until), entropy)?;
        make_authority(&mut params, path_length);
        let certificate = params
            .self_signed(&key)
            .map_err(|_| AuthorityError::Unavailable)?;
        let certificate_pem = pem::write_block("CERTIFICATE", certificate.der()).to_string();
        Ok(NewAuthority {
            certificate_pem,
            key_pem: key.to_pem()?,
        })
    }

    /// Takes an authority from its certificate and private key, both PEM. Further certificates
    /// behind the first are its chain; those that are not self-signed go out with what it issues.
    ///
    /// # Errors
    /// [`InvalidKeyMaterial`].
    pub fn load(
        certificate_pem: &str,
        key_pem: &str,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, InvalidKeyMaterial> {
        let blocks = certificates_of(certificate_pem)?;
        let der = &blocks.first().ok_or(InvalidKeyMaterial::NoCertificate)?.der;
        let certificate = parse_der(der).map_err(|_| InvalidKeyMaterial::NoCertificate)?;
        let may_sign = matches!(
            certificate.key_usage(),
            Ok(Some(usage)) if usage.value.key_cert_sign()
        );
        // RFC 5280 4.2.1.3 and 4.2.1.9: both, or nobody will believe what it signs.
        if !certificate.is_ca() || !may_sign {
            return Err(InvalidKeyMaterial::NotAuthority);
        }
        let key = EcdsaKey::from_pem(key_pem)?;
        if certificate.public_key().raw != key.subject_public_key_info().as_slice() {
            return Err(InvalidKeyMaterial::KeyMismatch);
        }
        let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), key)
            .map_err(|_| InvalidKeyMaterial::NoCertificate)?;
        Ok(Self {
            issuer,
            chain_pem: chain_to_send(&blocks)?,
            not_before: timestamp_of(certificate.validity().not_before),
            not_after: timestamp_of(certificate.validity().not_after),
            certificate: der.to_vec(),
            entropy,
            list: None,
        })
    }

    /// This authority, whose certificates say that what it revoked is listed at `url` (RFC 5280
    /// 4.2.1.13).
    #[must_use]
    pub fn with_list_at(mut self, url: String) -> Self {
        self.list = Some(url);
        self
    }

    /// Whether it may sign authorities (RFC 5280 4.2.1.9).
    #[must_use]
    pub fn may_sign_authorities(&self) -> bool {
        let certificate = parse_der(&self.certificate);
        let constraints = certificate
            .as_ref()
            .map(|certificate| certificate.basic_constraints());
        match constraints {
            Ok(Ok(Some(found))) => found.value.path_len_constraint.is_none_or(|most| most > 0),
            _ => false,
        }
    }

    /// Makes an authority named `name` under this one, with a new P-256 key, for leaves alone
    /// (pathLen 0); it ends with this one at the latest.
    ///
    /// # Errors
    /// [`AuthorityError::Unavailable`], also when this one may sign no authorities.
    pub fn create_issuing(
        &self,
        name: &str,
        validity: Duration,
        now: Timestamp,
    ) -> Result<NewAuthority, AuthorityError> {
        if !self.may_sign_authorities() {
            return Err(AuthorityError::Unavailable);
        }
        let mut params = self.within(name, validity, now)?;
        make_authority(&mut params, 0);
        let made = self.sign_with_new_key(&params)?;
        Ok(NewAuthority {
            certificate_pem: made.certificate.pem + &self.certificate_pem(),
            key_pem: made.key_pem,
        })
    }

    /// The authority's own certificate, PEM: the anchor its peers trust.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem::write_block("CERTIFICATE", &self.certificate).to_string()
    }

    /// The authority's own certificate, DER.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// Issues a server certificate for `names` (EKU serverAuth) with a new P-256 key.
    ///
    /// # Errors
    /// [`AuthorityError::Unavailable`].
    pub fn issue_server(
        &self,
        names: &ServerNames,
        validity: Duration,
        now: Timestamp,
    ) -> Result<IssuedKey, AuthorityError> {
        let mut params = self.leaf(names.common_name(), validity, now)?;
        params.subject_alt_names = names.subject_alt_names()?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign_with_new_key(&params)
    }

    /// Issues a client certificate for `identity` (EKU clientAuth) with a new P-256 key.
    ///
    /// # Errors
    /// [`AuthorityError::Unavailable`].
    pub fn issue_client(
        &self,
        identity: &CertificateIdentity,
        validity: Duration,
        now: Timestamp,
    ) -> Result<IssuedKey, AuthorityError> {
        self.sign_with_new_key(&self.client(identity, validity, now)?)
    }

    fn client(
        &self,
        identity: &CertificateIdentity,
        validity: Duration,
        now: Timestamp,
    ) -> Result<CertificateParams, AuthorityError> {
        let mut params = self.leaf(identity.name(), validity, now)?;
        let uri = identity
            .uri()
            .try_into()
            .map_err(|_| AuthorityError::Unavailable)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(params)
    }

    /// What every certificate of a leaf has.
    fn leaf(
        &self,
        common_name: &str,
        validity: Duration,
        now: Timestamp,
    ) -> Result<CertificateParams, AuthorityError> {
        let mut params = self.within(common_name, validity, now)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let uris = self.list.iter().cloned().collect::<Vec<_>>();
        if !uris.is_empty() {
            params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
        }
        Ok(params)
    }

    /// What every certificate below an authority has.
    fn within(
        &self,
        common_name: &str,
        validity: Duration,
        now: Timestamp,
    ) -> Result<CertificateParams, AuthorityError> {
        // RFC 5280 6.1: a chain is valid where all of it is, so a leaf stays within its authority.
        if now < self.not_before || self.not_after <= now {
            return Err(AuthorityError::Unavailable);
        }
        let from = before(now).max(self.not_before);
        let until = now.plus(validity).min(self.not_after);
        blank_certificate(common_name, (from, until), &*self.entropy)
    }

    fn sign_with_new_key(&self, params: &CertificateParams) -> Result<IssuedKey, AuthorityError> {
        let key = EcdsaKey::generate()?;
        Ok(IssuedKey {
            certificate: self.sign(params, &key)?,
            key_pem: key.to_pem()?,
        })
    }

    fn sign(
        &self,
        params: &CertificateParams,
        key: &impl PublicKeyData,
    ) -> Result<IssuedCertificate, AuthorityError> {
        let signed = params
            .signed_by(key, &self.issuer)
            .map_err(|_| AuthorityError::Unavailable)?;
        self.read_back(signed.der(), key)
            .ok_or(AuthorityError::Unavailable)
    }

    /// Reads what was just made: names this authority byte by byte, holds the requested key, and
    /// verifies under the authority's key.
    fn read_back(&self, der: &[u8], key: &impl PublicKeyData) -> Option<IssuedCertificate> {
        let issuer = parse_der(&self.certificate).ok()?;
        let certificate = parse_der(der).ok()?;
        let holds = certificate.issuer().as_raw() == issuer.subject().as_raw()
            && certificate.public_key().raw == key.subject_public_key_info().as_slice()
            && certificate
                .verify_signature(Some(issuer.public_key()))
                .is_ok();
        holds.then(|| IssuedCertificate {
            pem: format!(
                "{}{}",
                &*pem::write_block("CERTIFICATE", der),
                self.chain_pem
            ),
            serial: CertificateSerial::from_der_integer(certificate.raw_serial()),
            thumbprint: thumbprint_of(der),
            not_after: timestamp_of(certificate.validity().not_after),
        })
    }
}

impl CertificateAuthority for Authority {
    fn issue(
        &self,
        sp: &SpId,
        request_pem: &str,
        validity: Duration,
        now: Timestamp,
    ) -> Result<IssuedCertificate, AuthorityError> {
        let key = read_requested_key(request_pem)?;
        self.sign(
            &self.client(&CertificateIdentity::Sp(sp.clone()), validity, now)?,
            &key,
        )
    }

    fn list_revoked(
        &self,
        revoked: &[Revoked<'_>],
        times: (Timestamp, Timestamp),
    ) -> Result<Vec<u8>, AuthorityError> {
        self.sign_list(revoked, times)
    }

    fn inspect(&self, certificate_pem: &str) -> Result<(SpId, IssuedCertificate), AuthorityError> {
        let blocks = certificates_of(certificate_pem).map_err(|_| AuthorityError::BadRequest)?;
        let block = blocks.first().ok_or(AuthorityError::BadRequest)?;
        let facts = read_certificate(&block.der).map_err(|_| AuthorityError::BadRequest)?;
        // The whole file comes back, as it would have been issued.
        let pem = blocks
            .iter()
            .map(|block| pem::write_block("CERTIFICATE", &block.der).to_string());
        match facts.identity {
            CertificateIdentity::Sp(sp) => Ok((
                sp,
                IssuedCertificate {
                    pem: pem.collect(),
                    serial: facts.serial,
                    thumbprint: facts.thumbprint,
                    not_after: facts.not_after,
                },
            )),
            _ => Err(AuthorityError::BadRequest),
        }
    }
}

impl DeviceAuthority for Authority {
    fn issue_device(
        &self,
        (iot_sp, id): (&SpId, &DeviceId),
        request_pem: &str,
        validity: Duration,
        now: Timestamp,
    ) -> Result<IssuedCertificate, AuthorityError> {
        let key = read_requested_key(request_pem)?;
        let identity = CertificateIdentity::Device {
            iot_sp: iot_sp.clone(),
            id: id.clone(),
        };
        self.sign(&self.client(&identity, validity, now)?, &key)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NewAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewAuthority(..)")
    }
}

impl fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedKey")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

/// TS 33.310 6.1.4a: critical basicConstraints and keyUsage (rcgen marks both).
fn make_authority(params: &mut CertificateParams, path_length: u8) {
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
}

fn certificates_of(text: &str) -> Result<Vec<Block>, InvalidKeyMaterial> {
    let mut blocks = pem::read_blocks(text)?;
    blocks.retain(|block| block.label == "CERTIFICATE");
    Ok(blocks)
}

/// The certificates between a leaf and the anchor: RFC 8446 4.4.2 leaves the anchor out.
fn chain_to_send(blocks: &[Block]) -> Result<String, InvalidKeyMaterial> {
    let mut chain = String::new();
    for block in blocks {
        let certificate = parse_der(&block.der).map_err(|_| InvalidKeyMaterial::NoCertificate)?;
        if certificate.subject().as_raw() != certificate.issuer().as_raw() {
            chain.push_str(&pem::write_block("CERTIFICATE", &block.der));
        }
    }
    Ok(chain)
}

#[cfg(test)]
mod tests;
