mod asking;
mod observing;
mod repeating;
mod rig;
