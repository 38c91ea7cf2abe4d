//! Where the output of a command goes.

use async_trait::async_trait;

/// How much of what a failed command said is quoted, in characters.
const QUOTED: usize = 300;
/// Takes the output as it comes.
#[async_trait]
pub trait Output: Send {
    async fn stdout(&mut self, bytes: &[u8]);
    async fn stderr(&mut self, bytes: &[u8]);
}

/// The most that is collected of each stream of a command, in bytes: a listing of some ten thousand pods. A host that
/// prints more is not listened to.
const MAX_COLLECTED: usize = 16 * 1024 * 1024;

/// For short answers: keeps everything, up to a bound.
#[derive(Debug, Default)]
pub struct Collected {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Collected {
    /// The beginning of what it said on standard error, for a sentence.
    pub fn said(&self) -> String {
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
