//! The parameters that HTTP and CoAP put into a query (TS-0009 6.2.2.2, TS-0008 6.2.2.4).

use std::borrow::Cow;

use crate::primitive::{InvalidPrimitive, Request};
use crate::primitive::{number, read_desired_result, response_type};

/// The most parameters of a query.
const MOST: usize = 64;

/// Reads them into `request`; `targets` is where an answer that comes later goes to, joined by `&`.
///
/// # Errors
/// [`InvalidPrimitive`].
pub(super) fn read<'a>(
    request: &mut Request,
    parameters: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    targets: &str,
) -> Result<(), InvalidPrimitive> {
    let mut response = 3;
    for (n, (name, value)) in parameters.enumerate() {
        let wrong = || InvalidPrimitive::about(&name);
        if n >= MOST {
            return Err(wrong());
        }
        match name.as_ref() {
            "rcn" => {
                let rcn = number(&value).and_then(|n| u8::try_from(n).ok());
                request.result_content = Some(rcn.ok_or_else(wrong)?);
            }
            "rt" => response = number(&value).ok_or_else(wrong)?,
            "drt" => {
                let drt = number(&value).ok_or_else(wrong)?;
                request.unstructured_result = read_desired_result(Some(drt))?;
            }
            "rp" => request.result_persistence = Some(value.into_owned()),
            // Roles and tokens are not heeded here.
            "da" | "rids" | "tids" | "ltids" | "tqi" | "asi" | "auri" => {}
            _ => request.filter.take(&name, &value)?,
        }
    }
    let targets = targets.split('&').filter(|target| !target.is_empty());
    let targets = targets.map(str::to_owned).collect();
    request.response_type =
        response_type(response, targets).ok_or_else(|| InvalidPrimitive::about("rt"))?;
    Ok(())
}
