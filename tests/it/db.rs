//! What PostgreSQL alone can show: the schema, the queue, the command line, and what a worker refuses before it goes to a
//! host. `make test-db` runs these, and none of them uses the pod host.

pub mod cli;
pub mod containment;
mod http;
pub mod queue;
pub mod random_inputs;
pub mod refusals;
mod schedule;
mod schema;
pub mod secrets;
