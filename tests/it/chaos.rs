//! The worker is stopped at every boundary between two effects of a job, dead or only for a while, and whatever it was
//! doing comes to its end all the same. The tests run a sample; `make chaos` runs all of it and prints tables.

mod kills;
mod lane;
mod model;
mod rolling;
mod zombies;
