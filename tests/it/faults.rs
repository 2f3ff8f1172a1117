//! Disks that are full, fail or lie: what the gateway says then, and what is there afterwards.

mod damage;
mod disk;
mod pair;
