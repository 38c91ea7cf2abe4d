//! No state that only a person at the database could leave: whatever status a pod has, and whatever of it is missing on
//! its host, a destroy ends it and a requeue mends it.

mod destroy;
mod made;
mod requeue;

use made::{Made, Object};
