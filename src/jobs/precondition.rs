//! For which states of a pod a kind of job makes sense. The error names a kind that would.

use crate::model::{JobKind, PodStatus};

/// For a create: the pod is not destroyed, and is not being destroyed.
pub fn not_destroyed(kind: JobKind, status: PodStatus) -> Result<(), String> {
    match status {
        PodStatus::Terminated => Err(format!("cannot {kind} the pod: it was destroyed. Insert a new pod instead")),
        PodStatus::Terminating => {
            Err(format!("cannot {kind} the pod: it is being destroyed. Only another destroy would make sense"))
        }
        _ => Ok(()),
    }
}

/// For a start, a stop and a restart: the pod was created, and that was not undone.
pub fn created(kind: JobKind, status: PodStatus, placed: bool) -> Result<(), String> {
    not_destroyed(kind, status)?;
    match status {
        PodStatus::Pending => {
            Err(format!("cannot {kind} the pod: it was never created. Ask for a create, or for a destroy"))
        }
        _ if !placed => {
            Err(format!("cannot {kind} the pod: nothing of it is left on a host. Ask for a create, or for a destroy"))
        }
        _ => Ok(()),
    }
}
