//! `ics-inquiry`: the two cases of Y.4462 10.3.

use ics_core::id::{DeviceId, IdentifierSchemes, ServiceUri, SpId, Uti};
use ics_core::mapping::MappingKey;
use ics_core::service::{DeviceAnswer, TransactionAnswer};

use super::{Need, read_member, read_optional};
use crate::problem::Problem;
use crate::wire::{
    DeviceAnswerView, DeviceInquiry, PairView, Resolution, Shown, Text, TransactionAnswerView,
    TransactionInquiry,
};

/// Case 1 as the core takes it.
pub(crate) fn read_device_inquiry(
    body: &DeviceInquiry<'_>,
    schemes: &IdentifierSchemes,
) -> Result<(DeviceId, Option<ServiceUri>), Problem> {
    let device_id = read_device_id(&body.device_id, schemes)?;
    let service = read_optional(body.service_uri.as_ref(), ServiceUri::parse, "/serviceUri")?;
    Ok((device_id, service))
}

/// A third party, and the device ID it knows.
pub(crate) fn read_resolution(
    body: &Resolution<'_>,
    schemes: &IdentifierSchemes,
) -> Result<(SpId, DeviceId), Problem> {
    let device_id = read_device_id(&body.device_id, schemes)?;
    let sp = &body.third_party_sp_id;
    let sp = read_member(sp, SpId::parse, "/thirdPartySpId", Need::Mandatory)?;
    Ok((sp, device_id))
}

fn read_device_id(text: &Text<'_>, schemes: &IdentifierSchemes) -> Result<DeviceId, Problem> {
    let parse = |text: &str| schemes.parse_device_id(text);
    read_member(text, parse, "/deviceId", Need::Mandatory)
}

/// Case 2 as the core takes it.
pub(crate) fn read_transaction_inquiry(
    body: &TransactionInquiry<'_>,
) -> Result<MappingKey, Problem> {
    use Need::Mandatory;
    Ok(MappingKey {
        service_uri: read_member(
            &body.service_uri,
            ServiceUri::parse,
            "/serviceUri",
            Mandatory,
        )?,
        uti: read_member(&body.uti, Uti::parse, "/uti", Mandatory)?,
    })
}

/// All three columns (t8 B.7), for each row of a device.
pub(crate) fn show_device_answer<'a>(
    device_id: &'a DeviceId,
    answer: &'a DeviceAnswer,
) -> DeviceAnswerView<'a> {
    let rows = answer.mappings.iter();
    DeviceAnswerView {
        device_id: device_id.as_str(),
        mappings: rows
            .map(|(key, since)| PairView {
                service_uri: key.service_uri.as_str(),
                uti: key.uti.as_str(),
                established_time: Shown(*since),
            })
            .collect(),
    }
}

/// All three columns (t8 B.7), and whose device it is.
pub(crate) fn show_transaction_answer<'a>(
    key: &'a MappingKey,
    answer: &'a TransactionAnswer,
) -> TransactionAnswerView<'a> {
    TransactionAnswerView {
        device_id: answer.device_id.as_str(),
        iot_sp_id: answer.iot_sp.as_str(),
        service_uri: key.service_uri.as_str(),
        uti: key.uti.as_str(),
    }
}
