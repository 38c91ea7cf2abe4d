//! Bad input on a real host: nothing is left there that is half made, and what was put right goes on. `db::refusals` has what is
//! refused before there is a host.

mod config;
mod hosts;
mod placement;

use crate::db::refusals::{assert_failed_and_bare, assert_says, refused, requeue};
