//! One call as the resources see it, and their answer: no sockets, no headers.

use std::cell::Cell;

use ics_core::principal::Principal;
use ics_core::reference_point::ReferencePoint;
use ics_core::time::Timestamp;

use crate::link::{Link, Target};
use crate::problem::Problem;
use crate::query::PageQuery;
use crate::wire;

/// A call that was authenticated, admitted, and whose frame is in order.
pub(crate) struct Call<'a> {
    /// Who calls.
    pub(crate) principal: Principal,
    /// Over which reference point; a resource that learns better says so.
    pub(crate) point: Cell<ReferencePoint>,
    /// The API root.
    pub(crate) root: &'a str,
    /// The part of the path that names the resource, where it is a parameter.
    pub(crate) id: &'a str,
    /// The part of the path that names something of that resource.
    pub(crate) part: &'a str,
    /// Which page, where the operation is a list with pages.
    pub(crate) page: Option<PageQuery>,
    /// The body; empty where the operation has none.
    pub(crate) body: &'a [u8],
    /// When.
    pub(crate) now: Timestamp,
}

impl Call<'_> {
    /// A link to a resource of the caller.
    pub(crate) fn link<'a>(&'a self, target: Target<'a>) -> Link<'a> {
        Link {
            root: self.root,
            sp: &self.principal.sp,
            target,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status code.
    pub(crate) status: u16,
    /// The body, JSON; empty for none.
    pub(crate) body: Vec<u8>,
    /// `Location`.
    pub(crate) location: Option<String>,
    /// The URI of the next page.
    pub(crate) next: Option<String>,
}

impl Reply {
    /// 200 with this body.
    pub(crate) fn ok(view: &impl serde::Serialize) -> Result<Self, Problem> {
        let body = wire::write(view)?;
        Ok(Self {
            status: 200,
            body,
            location: None,
            next: None,
        })
    }

    /// 204.
    pub(crate) const fn no_content() -> Self {
        Self {
            status: 204,
            body: Vec::new(),
            location: None,
            next: None,
        }
    }
}
