//! A row as its writer knows it: what was acknowledged of it, and what its service providers have
//! to have been told.

use std::collections::BTreeSet;

use ics_tests::Receiver;

/// Where a row is, as far as its writer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Established,
    Cancelled,
    DemappedByShop,
    DemappedByAcme,
}

impl State {
    /// As the third party SP sees it.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Established => "ESTABLISHED",
            _ => "DELETED",
        }
    }
}

/// A row that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) uti: String,
    pub(crate) device: String,
    /// The states that were acknowledged, first to last.
    pub(crate) acknowledged: Vec<State>,
    /// What was asked for and never answered: it happened or it did not.
    pub(crate) asked: Option<State>,
}

impl Row {
    pub(crate) fn last(&self) -> State {
        *self
            .acknowledged
            .last()
            .expect("acknowledged at least once")
    }
}

/// To whom, about which UTI, what.
pub(crate) type News = (&'static str, String, &'static str);

/// What has to have been told.
pub(crate) fn owed(row: &Row) -> Vec<News> {
    let to = |sp, what| (sp, row.uti.clone(), what);
    let mut owed = Vec::new();
    if row.last() == State::Pending {
        owed.push(to("acme", "push"));
    }
    for state in &row.acknowledged {
        match state {
            // Only while it is pending: a push that was overtaken is not sent any more.
            State::Pending => {}
            State::Established => {
                owed.extend([to("acme", "ESTABLISHED"), to("shop", "ESTABLISHED")])
            }
            State::Cancelled => owed.push(to("acme", "DELETED")),
            State::DemappedByShop => owed.push(to("acme", "UTI_INVALID")),
            State::DemappedByAcme => owed.push(to("shop", "DEVICE_UNREGISTERED")),
        }
    }
    owed
}

/// What was told and taken.
pub(crate) fn told(receiver: &Receiver) -> BTreeSet<News> {
    let mut told = BTreeSet::new();
    for received in receiver
        .received()
        .iter()
        .filter(|received| received.answered == 204)
    {
        let body = received.body();
        let to = if received.path == "/acme" {
            "acme"
        } else {
            "shop"
        };
        let what = [
            "ESTABLISHED",
            "DELETED",
            "UTI_INVALID",
            "DEVICE_UNREGISTERED",
        ];
        let said = body["mappingStatus"].as_str().or(body["cause"].as_str());
        let what = match said {
            Some(said) => what.into_iter().find(|w| *w == said),
            None if body["deviceSerialNumber"].is_string() => Some("push"),
            None => None,
        };
        let what = what.unwrap_or_else(|| panic!("unexpected notification {body}"));
        told.insert((to, body["uti"].as_str().expect("a UTI").to_owned(), what));
    }
    told
}
