//! Where the output of a command goes.

use async_trait::async_trait;

/// How much of a failed command's standard error is quoted, in characters.
const QUOTED: usize = 300;

/// Takes the output as it comes.
#[async_trait]
pub trait Output: Send {
    async fn stdout(&mut self, bytes: &[u8]);
    async fn stderr(&mut self, bytes: &[u8]);
}

/// The most that is collected of each stream of a command, in bytes: a listing of some ten thousand pods. What a host
/// prints beyond that is dropped.
const MAX_COLLECTED: usize = 16 * 1024 * 1024;

/// Keeps everything, up to a bound.
#[derive(Debug, Default)]
pub struct Collected {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Collected {
    /// The beginning of standard error, for a sentence.
    pub fn stderr_head(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().chars().take(QUOTED).collect()
    }
}

#[async_trait]
impl Output for Collected {
    async fn stdout(&mut self, bytes: &[u8]) {
        collect(&mut self.stdout, bytes);
    }

    async fn stderr(&mut self, bytes: &[u8]) {
        collect(&mut self.stderr, bytes);
    }
}

fn collect(collected: &mut Vec<u8>, bytes: &[u8]) {
    collected.extend_from_slice(&bytes[..bytes.len().min(MAX_COLLECTED - collected.len())]);
}
