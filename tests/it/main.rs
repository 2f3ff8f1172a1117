//! One binary, a module a theme: it starts the real gateway and talks to it through sockets.

mod layering;
mod strangers;
