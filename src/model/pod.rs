//! The statuses of a pod, and which of its variables are secrets.

use serde::{Deserialize, Serialize};

/// The value of a pod's environment variable is a secret if its name contains one of these, in upper or lower case: it
/// is hidden in the log, and deleted when the pod is destroyed.
pub const SECRET_NAMES: [&str; 7] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL", "DSN", "DATABASE_URL"];

/// The status of a pod. As text it is `pods.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum PodStatus {
    Pending,
    Provisioning,
    Starting,
    Running,
    Stopping,
    Stopped,
    Failed,
    Terminating,
    /// A destroyed pod's row.
    Terminated,
}

impl PodStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Provisioning => "provisioning",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Terminating => "terminating",
            Self::Terminated => "terminated",
        }
    }
}

impl std::fmt::Display for PodStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
