mod asking;
mod guesting;
mod observing;
mod repeating;
mod rig;
