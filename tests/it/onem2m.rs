//! oneM2M. What a platform of others (ACME CSE) does that the binding relies on, asked of it alone.

mod durability;
mod mqtt;
mod mutual_tls;
mod platform;
mod remote_cse;
mod requests;
mod world;
