//! The other side, for tests and fuzzing: a request written, an answer read.

use super::{
    CONTENT_FORMAT, CoapOption, CoapRequest, FR, JSON, OET, OT, Options, RQET, RQI, RSC, RSET, RVI,
    TY, URI_PATH, URI_QUERY, VSI, path_of_address, shortest,
};
use crate::primitive::{InvalidPrimitive, Operation, Request, Response, known};

/// A request that has no filter and is answered on the spot.
pub(crate) fn write_request(request: &Request) -> CoapRequest {
    let method = match request.operation {
        Operation::Retrieve => 1,
        Operation::Create | Operation::Notify => 2,
        Operation::Update => 3,
        Operation::Delete => 4,
    };
    let path = path_of_address(&request.to);
    let segments = path.split('/').map(|segment| (URI_PATH, segment.into()));
    let mut options: Vec<CoapOption> = segments.collect();
    let content = request.content.as_ref();
    let payload = content.and_then(|content| serde_json::to_vec(content).ok());
    if payload.is_some() {
        options.push((CONTENT_FORMAT, shortest(JSON)));
    }
    if let Some(rcn) = request.result_content {
        options.push((URI_QUERY, format!("rcn={rcn}").into_bytes()));
    }
    if request.unstructured_result {
        options.push((URI_QUERY, b"drt=2".to_vec()));
    }
    let number = request.resource_type.map(shortest);
    let text = |text: &Option<String>| text.clone().map(String::into_bytes);
    let all = [
        (OT, text(&request.originating_timestamp)),
        (TY, number),
        (RVI, text(&request.release)),
        (FR, text(&request.from)),
        (RQI, Some(request.request_id.clone().into_bytes())),
        (RQET, text(&request.request_expiration)),
        (RSET, text(&request.result_expiration)),
        (OET, text(&request.operation_execution)),
        (VSI, text(&request.vendor_information)),
    ];
    let all = all.into_iter();
    options.extend(all.filter_map(|(number, value)| Some((number, value?))));
    CoapRequest {
        method,
        options,
        payload: payload.unwrap_or_default(),
    }
}

/// Reads an answer: its code is an option, and that of the message says nothing.
pub(crate) fn read_response(
    options: &[CoapOption],
    payload: &[u8],
) -> Result<Response, InvalidPrimitive> {
    let options = Options(options);
    let wrong = || InvalidPrimitive::about("rsc");
    let rsc = options.small(RSC, "rsc")?.ok_or_else(wrong)?;
    let content = (!payload.is_empty()).then(|| serde_json::from_slice(payload));
    Ok(Response {
        rsc: known(rsc.into()).ok_or_else(wrong)?,
        request_id: options.text(RQI, "rqi")?.unwrap_or_default(),
        release: options.text(RVI, "rvi")?,
        content: content
            .transpose()
            .map_err(|_| InvalidPrimitive::about("pc"))?,
        from: None,
        to: None,
        originating_timestamp: options.text(OT, "ot")?,
        result_expiration: options.text(RSET, "rset")?,
        vendor_information: options.text(VSI, "vsi")?,
        location: None,
    })
}
