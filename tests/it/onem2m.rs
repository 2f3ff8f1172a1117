//! oneM2M: the gateway as a CSE, called directly and joined to a platform of others (ACME CSE); and what
//! that does, asked of it alone, which the binding relies on.

mod broker;
mod coap;
mod codes;
mod durability;
mod hosted;
mod listener;
mod mailbox;
mod mca;
mod mqtt;
mod mutual_tls;
mod platform;
mod registration;
mod remote_cse;
mod requests;
mod stage;
mod story;
mod telling;
mod world;
