//! What comes from outside hurts itself alone: each test does what an attacker would, and a bystander's job runs as if
//! nothing were.

mod bombs;
mod floor;
mod host_key;
mod images;
mod locks;
mod logs;
mod names;
mod pages;
mod promises;
mod size;
mod slots;
mod stop;
mod values;
