//! Pairs of request and answer, at the level of [`Tree::handle`]. No sleep: what is told in the
//! background is waited for by a condition.

mod access;
mod ae;
mod container;
mod discovery;
mod keeping;
pub(crate) mod rig;
mod subscription;
