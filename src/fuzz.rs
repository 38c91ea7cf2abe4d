//! What only the fuzz targets (`fuzz/`) use: the parsers of what a pod or a host prints. Only cargo-fuzz builds it.

use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use tokio::sync::mpsc;

pub use crate::reconcile::{
    compare::{Action, Differences, Sides, compare},
    inventory::{Inventory, InventoryError},
};
use crate::{
    docker::{Found, names},
    reconcile::watch::Lines,
    remote::{
        Command, InnerGuard, Output,
        command::Container,
        guard::{GuardReply, Order, StreamReader},
    },
};

/// Reads one stream of a guard that arrives in `pieces`, and returns the command's output and the guard's reply.
/// `inner_nonce` is that of the guard in a container.
pub fn read_stream<'a>(
    nonce: &str,
    inner_nonce: Option<&str>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<u8>, Option<GuardReply>) {
    let order = Order {
        nonce: nonce.to_owned(),
        inner_nonce: inner_nonce.unwrap_or_default().to_owned(),
        limit: Duration::from_secs(1),
    };
    let command = Command::new("true");
    let container = || Container { name: "pod".to_owned(), guard: InnerGuard::Program };
    let command = if inner_nonce.is_some() { command.inside(container()) } else { command };
    let mut reader = StreamReader::new(&order, &command);
    let mut output = Vec::new();
    for piece in pieces {
        output.extend(reader.push(Bytes::copy_from_slice(piece)));
    }
    output.extend(reader.finish());
    (output, reader.reply())
}

/// Parses the listing of a host.
pub fn inventory(listing: &str) -> Result<Inventory, InventoryError> {
    Inventory::parse(listing)
}

/// Parses the listing of one pod's things on its host.
pub fn found(listing: &str) -> Found {
    Found::parse(listing)
}

/// Parses Docker's events that arrive in `pieces`, and returns the pod, the installation and the exit code of each.
pub fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(String, Option<String>, String)> {
    let pieces: Vec<&[u8]> = pieces.into_iter().collect();
    let most = pieces.iter().flat_map(|piece| piece.iter()).filter(|&&byte| byte == b'\n').count();
    let (sender, mut events) = mpsc::channel(most + 1);
    let mut lines = Lines { sender, line: Vec::new() };
    for piece in pieces {
        block_on(lines.stdout(piece));
    }
    drop(lines);
    let died = std::iter::from_fn(|| events.try_recv().ok());
    died.map(|died| (died.pod, died.installation, died.exit_code)).collect()
}

/// Whether the database accepts `id` as a pod's id.
pub fn is_pod_id(id: &str) -> bool {
    names::is_pod_id(id)
}
