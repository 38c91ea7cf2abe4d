//! The sealing of secrets: what the app has written plain is sealed, where the worker has a key for that.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;

use crate::{
    secrets::{
        Keyring,
        reseal::{Outcome, Rows, reseal},
    },
    store::secrets::SecretId,
    telemetry::metrics::SECRETS_SEALED,
};

/// How long a secret stays plain at most, beside what is in its way.
pub const INTERVAL: Duration = Duration::from_mins(1);
/// Rows of one run that are named in the log: the rest are counted.
const NAMED: u32 = 10;

/// Seals what is plain. What comes of it goes to the log; what could not be sealed now is found again by the next run.
pub async fn run_and_report(db: &PgPool, keys: &Arc<Keyring>) {
    let (mut sealed, mut left) = (0_u32, 0_u32);
    let report = |id: &SecretId, outcome: Outcome| {
        let reason = match outcome {
            Outcome::Sealed => {
                sealed += 1;
                return;
            }
            Outcome::Already | Outcome::Gone => return,
            Outcome::Busy => "another transaction locks it, or has changed it".to_owned(),
            Outcome::Refused(reason) => reason,
            Outcome::Unopened(reason) => reason.to_string(),
        };
        left += 1;
        if left <= NAMED {
            let SecretId { pod_id, kind, name } = id;
            tracing::warn!(pod.id = %pod_id, reason, "The secret {name:?} ({kind}) of pod {pod_id} is not sealed yet: {reason}");
        }
    };
    let run = reseal(db, keys, Rows::Plain, 1, report).await;
    metrics::counter!(SECRETS_SEALED).increment(sealed.into());
    if sealed > 0 || left > 0 {
        tracing::info!(sealed, left, "Secrets that were plain: {sealed} are sealed now, {left} are not yet.");
    }
    if let Err(error) = run {
        tracing::warn!(%error, "The sealing of secrets failed; the next one goes on.");
    }
}
