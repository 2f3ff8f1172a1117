//! For `tests/fuzz` alone, behind the feature `fuzzing`.

use crate::wire::Form;

/// The parameters of a form, in the order of their names; `None` when it is refused.
#[must_use]
pub fn parse_form(body: &[u8]) -> Option<Vec<(String, String)>> {
    Form::parse(body).ok().map(Form::into_parameters)
}
