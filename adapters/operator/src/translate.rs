//! Bodies <-> core, total both ways. Reasons are fixed texts; a value that was refused is not
//! repeated.

mod agreement;
mod certificate;
mod device;
mod job;
mod mapping;
mod onem2m;
mod outbox;
mod party;

use ics_core::id::{InvalidId, SpId};
use ics_core::reference_point::Role;

pub(crate) use agreement::{agreement_terms, show_agreement};
pub(crate) use certificate::{
    CertificateName, certificate_name, certificate_validity, invitation_lifetime, show_certificate,
    show_issued,
};
pub(crate) use device::{
    credential_order, device_terms, pairing_validity, parse_device, show_credential, show_device,
};
pub(crate) use job::show_job;
pub(crate) use mapping::{show_mapping, show_mapping_detail, status_of};
pub(crate) use outbox::show_entry;
pub(crate) use party::{party_ae, party_service, party_terms, show_party};

use crate::error::Refusal;
use crate::wire::{InvalidParam, RoleName};

/// Collects every fault of a request before it is refused.
#[derive(Default)]
pub(crate) struct Faults(Vec<InvalidParam>);

impl Faults {
    /// Notes a fault.
    pub(crate) fn add(&mut self, param: impl Into<String>, reason: impl Into<String>) {
        self.0.push(InvalidParam {
            param: param.into(),
            reason: reason.into(),
        });
    }

    /// Notes the fault of `parsed`, if it has one.
    pub(crate) fn take<T>(
        &mut self,
        param: impl Into<String>,
        parsed: Result<T, InvalidId>,
    ) -> Option<T> {
        parsed
            .map_err(|invalid| self.add(param, invalid.to_string()))
            .ok()
    }

    /// Each of a list, its faults noted with their places.
    pub(crate) fn take_all<T>(
        &mut self,
        param: &str,
        texts: &[String],
        parse: impl Fn(&str) -> Result<T, InvalidId>,
    ) -> Vec<T> {
        let mut parsed = Vec::with_capacity(texts.len());
        for (n, text) in texts.iter().enumerate() {
            parsed.extend(self.take(format!("{param}/{n}"), parse(text)));
        }
        parsed
    }

    /// The refusal, if there is any fault.
    pub(crate) fn check(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Refusal::Incorrect(self.0))
        }
    }

    /// The refusal.
    pub(crate) fn refuse(self) -> Refusal {
        Refusal::Incorrect(self.0)
    }
}

/// The name of a role.
pub(crate) const fn role_name(role: Role) -> RoleName {
    match role {
        Role::ThirdPartySp => RoleName::ThirdPartySp,
        Role::IotSp => RoleName::IotSp,
    }
}

/// The id of a service provider in a path: what is none names none.
pub(crate) fn parse_sp_in_path(text: &str) -> Result<SpId, Refusal> {
    SpId::parse(text).map_err(|_| Refusal::NoParty)
}

/// The id of a service provider in a query or body.
pub(crate) fn parse_sp(param: &str, text: &str) -> Result<SpId, Refusal> {
    SpId::parse(text).map_err(|invalid| Refusal::incorrect(param, invalid.to_string()))
}

/// Bytes from hexadecimal digits in pairs, either case; colons between pairs are skipped.
pub(crate) fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| *byte != b':')
        .map(|byte| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let whole = !pairs.is_empty() && rest.is_empty();
    whole.then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests;
