//! The attributes of each type: what they hold, and when a request may have them (TS-0004 7.4). What
//! TS-0004 has and is not done here is named, so that it is refused as that and not as unknown.

use super::Type;
use super::attribute::{Attribute, Kind, Presence};

use Presence::{Mandatory as M, NotPermitted as NP, Optional as O};

const fn attribute(
    name: &'static str,
    kind: Kind,
    create: Presence,
    update: Presence,
) -> Attribute {
    Attribute {
        name,
        kind,
        create,
        update,
    }
}

/// Of every type but the CSEBase (TS-0001 9.6.1.3).
const UNIVERSAL: &[Attribute] = &[
    attribute("rn", Kind::Name, O, NP),
    attribute("ri", Kind::Text, NP, NP),
    attribute("pi", Kind::Text, NP, NP),
    attribute("ty", Kind::Number, NP, NP),
    attribute("ct", Kind::Time, NP, NP),
    attribute("lt", Kind::Time, NP, NP),
    attribute("et", Kind::Time, O, O),
    attribute("lbl", Kind::Labels, O, O),
    attribute("at", Kind::NotDone, O, O),
    attribute("aa", Kind::NotDone, O, O),
    attribute("ast", Kind::NotDone, O, O),
    attribute("daci", Kind::NotDone, O, O),
    attribute("loc", Kind::NotDone, O, O),
];

const ACPI: Attribute = attribute("acpi", Kind::SomeTexts, O, O);
const CUSTODIAN: Attribute = attribute("cstn", Kind::Text, O, O);
const CREATOR: Attribute = attribute("cr", Kind::Filled, O, NP);
const STATE_TAG: Attribute = attribute("st", Kind::Number, NP, NP);

const ACCESS_CONTROL_POLICY: &[Attribute] = &[
    attribute("pv", Kind::Rules(false), M, O),
    attribute("pvs", Kind::Rules(true), M, O),
    attribute("adri", Kind::NotDone, O, O),
    attribute("apri", Kind::NotDone, O, O),
    attribute("airi", Kind::NotDone, O, O),
];

const AE: &[Attribute] = &[
    ACPI,
    CUSTODIAN,
    attribute("api", Kind::Text, M, NP),
    attribute("rr", Kind::Flag, M, O),
    attribute("srv", Kind::SomeTexts, O, O),
    attribute("aei", Kind::Text, NP, NP),
    attribute("apn", Kind::Text, O, O),
    attribute("poa", Kind::Texts, O, O),
    attribute("csz", Kind::Serializations, O, O),
    attribute("or", Kind::Text, O, O),
    // Permanent identifiers, and what leads to them, are not kept with what AEs may read.
    attribute("mei", Kind::NotDone, O, O),
    attribute("tri", Kind::NotDone, O, O),
    attribute("nl", Kind::NotDone, O, O),
    attribute("regs", Kind::NotDone, O, O),
    attribute("trps", Kind::NotDone, O, O),
    attribute("scp", Kind::NotDone, O, O),
    attribute("tren", Kind::NotDone, O, O),
    attribute("ape", Kind::NotDone, O, O),
    attribute("esi", Kind::NotDone, O, O),
];

const CONTAINER: &[Attribute] = &[
    ACPI,
    CUSTODIAN,
    CREATOR,
    STATE_TAG,
    attribute("mni", Kind::Number, O, O),
    attribute("mbs", Kind::Number, O, O),
    attribute("mia", Kind::Number, O, O),
    attribute("cni", Kind::Number, NP, NP),
    attribute("cbs", Kind::Number, NP, NP),
    attribute("disr", Kind::Flag, O, O),
    attribute("or", Kind::Text, O, O),
    attribute("li", Kind::NotDone, NP, NP),
    attribute("subi", Kind::NotDone, O, O),
];

const CONTENT_INSTANCE: &[Attribute] = &[
    CREATOR,
    STATE_TAG,
    attribute("con", Kind::Any, M, NP),
    attribute("cnf", Kind::ContentInfo, O, NP),
    attribute("cs", Kind::Number, NP, NP),
    attribute("dcnt", Kind::Positive, O, NP),
    attribute("dgt", Kind::Time, O, NP),
    attribute("or", Kind::Text, O, NP),
    attribute("conr", Kind::NotDone, O, NP),
];

const REMOTE_CSE: &[Attribute] = &[
    ACPI,
    CUSTODIAN,
    CREATOR,
    attribute("cb", Kind::Text, M, NP),
    attribute("csi", Kind::Text, M, NP),
    attribute("cst", Kind::OneOf(&[1, 2, 3]), O, NP),
    attribute("rr", Kind::Flag, M, O),
    attribute("poa", Kind::Texts, O, O),
    attribute("srv", Kind::SomeTexts, O, O),
    attribute("csz", Kind::Serializations, O, O),
    attribute("dcse", Kind::Texts, O, O),
    attribute("spi", Kind::Text, O, O),
    attribute("mei", Kind::NotDone, O, O),
    attribute("tri", Kind::NotDone, O, O),
    attribute("nl", Kind::NotDone, O, O),
    attribute("egid", Kind::NotDone, O, O),
    attribute("ici", Kind::NotDone, O, O),
    attribute("trn", Kind::NotDone, O, O),
    attribute("tren", Kind::NotDone, O, O),
    attribute("ape", Kind::NotDone, O, O),
    attribute("esi", Kind::NotDone, O, O),
    attribute("mtcc", Kind::NotDone, O, O),
];

const SUBSCRIPTION: &[Attribute] = &[
    ACPI,
    CUSTODIAN,
    CREATOR,
    attribute("nu", Kind::SomeTexts, M, O),
    attribute("enc", Kind::Criteria, O, O),
    attribute("nct", Kind::OneOf(&[1, 2, 3]), O, O),
    attribute("exc", Kind::Positive, O, O),
    attribute("su", Kind::Text, O, NP),
    attribute("bn", Kind::Batch, O, O),
    attribute("ln", Kind::Flag, O, O),
    attribute("nse", Kind::NotDone, O, O),
    attribute("nsi", Kind::NotDone, NP, NP),
    attribute("gpi", Kind::NotDone, O, O),
    attribute("nfu", Kind::NotDone, O, O),
    attribute("rl", Kind::NotDone, O, O),
    attribute("psn", Kind::NotDone, O, NP),
    attribute("pn", Kind::NotDone, O, O),
    attribute("nsp", Kind::NotDone, O, O),
    attribute("nec", Kind::NotDone, O, O),
    attribute("acrs", Kind::NotDone, O, O),
    attribute("eeno", Kind::NotDone, O, O),
    attribute("ma", Kind::NotDone, O, O),
];

const CSE_BASE: &[Attribute] = &[
    attribute("csi", Kind::Text, NP, NP),
    attribute("cst", Kind::Number, NP, NP),
    attribute("csz", Kind::Texts, NP, NP),
    attribute("ctm", Kind::Time, NP, NP),
    attribute("poa", Kind::Texts, NP, NP),
    attribute("srt", Kind::Numbers, NP, NP),
    attribute("srv", Kind::Texts, NP, NP),
    attribute("acpi", Kind::Texts, NP, NP),
];

/// `enc` (TS-0004 6.3.5.8).
pub(super) const CRITERIA: &[(&str, Kind)] = &[
    ("net", Kind::Numbers),
    ("atr", Kind::SomeTexts),
    ("chty", Kind::Numbers),
    ("om", Kind::NotDone),
    ("md", Kind::NotDone),
    ("fo", Kind::NotDone),
    ("crb", Kind::NotDone),
    ("cra", Kind::NotDone),
    ("ms", Kind::NotDone),
    ("us", Kind::NotDone),
    ("sts", Kind::NotDone),
    ("stb", Kind::NotDone),
    ("exb", Kind::NotDone),
    ("exa", Kind::NotDone),
    ("sza", Kind::NotDone),
    ("szb", Kind::NotDone),
];

/// A rule of `pv` and `pvs`. A condition that is not checked here is not kept either: it would grant
/// more than was meant.
pub(super) const RULE: &[(&str, Kind)] = &[
    ("acor", Kind::Texts),
    ("acop", Kind::Number),
    ("acod", Kind::Details),
    ("acco", Kind::NotDone),
    ("acaf", Kind::NotDone),
    ("aca", Kind::NotDone),
];

impl Type {
    /// The attributes of this type alone.
    const fn own_attributes(self) -> &'static [Attribute] {
        match self {
            Self::AccessControlPolicy => ACCESS_CONTROL_POLICY,
            Self::Ae => AE,
            Self::Container => CONTAINER,
            Self::ContentInstance => CONTENT_INSTANCE,
            Self::CseBase => CSE_BASE,
            Self::RemoteCse => REMOTE_CSE,
            Self::Subscription => SUBSCRIPTION,
        }
    }

    /// All attributes it may have.
    pub(super) fn attributes(self) -> impl Iterator<Item = &'static Attribute> {
        self.own_attributes().iter().chain(UNIVERSAL)
    }

    /// The one with that name.
    pub(super) fn attribute(self, name: &str) -> Option<&'static Attribute> {
        self.attributes().find(|attribute| attribute.name == name)
    }
}
