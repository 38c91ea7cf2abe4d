//! A pod's things on its host, by Docker's command line with gVisor beneath: container, volumes, image and network. Knows
//! no step, and not what runs inside.
//!
//! Whether something is there is asked by our label, never by a part of a name and never by the words of an error:
//! an empty listing means that nothing is there, a listing that fails is an error.

mod container;
mod found;
mod image;
mod limits;
pub mod names;
pub mod network;
pub mod quota;
mod runtime;
mod subnet;
mod volume;

pub use container::ContainerSpec;
pub use found::{Container, Found};
pub use image::{Image, image_fact};
pub use limits::Limits;
pub use network::NetworkManager;
pub use runtime::{ContainerRuntime, Diagnosis, RUNTIME};
pub use subnet::{InvalidSubnetPool, SubnetPool};
