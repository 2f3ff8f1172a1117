//! Floods: who comes in numbers and stops in the middle, hosts that take and give nothing, a
//! hundred thousand that wait. Others are served within a second, memory has a bound, nothing is
//! lost.
//!
//! `ICS_FLOOD_ROWS` says how many notifications wait for a dead host (5,000 when it does not).

mod backlog;
mod callbacks;
mod coap;
mod connections;
mod device;
mod devices;
mod flood;
mod good;
mod tokens;
