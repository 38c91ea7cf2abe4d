//! What comes from outside hurts itself alone: each test does what an attacker would, and a bystander's job runs as if
//! nothing were.

mod floor;
mod images;
mod locks;
mod logs;
mod names;
mod pages;
mod size;
mod slots;
mod stop;
mod values;
