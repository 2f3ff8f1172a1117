//! One binary, a module a theme: it starts the real gateway and talks to it through sockets.

mod bulk;
mod clock;
mod command_line;
mod containment;
mod durability;
mod engine;
mod faults;
mod floods;
mod fsync_kills;
mod layering;
mod notifications;
mod openapi;
mod operating;
mod power_cut;
mod preconditions;
mod readme;
mod replays;
mod slow_bodies;
mod store;
mod story;
mod strangers;
mod suspension;
mod threat_register;
mod tls;
mod tokens;
mod websocket;
