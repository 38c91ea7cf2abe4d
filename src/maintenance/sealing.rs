//! The sealing task seals the secrets that the app wrote as plain text, where the worker has a key.

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

/// How often plain secrets are looked for.
pub const INTERVAL: Duration = Duration::from_mins(1);
/// How many unsealed secrets of one run the log names; the rest are only counted.
const NAMED: u32 = 10;

/// Seals plain secrets and logs the result; the next run retries those that could not be sealed.
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
        tracing::warn!(%error, "The sealing of secrets failed; the next run continues.");
    }
}
