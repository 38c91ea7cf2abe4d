//! Seals the stored secrets for the current key, row by row, so that a row that is locked, broken or too large does not
//! stop the others.

use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::PgPool;

use super::{Keyring, OpenError, Place, SealingKey, seal::Sealed};
use crate::store::{
    is_locked,
    secrets::{self, SecretId, Value},
};

/// Rows that are looked for at a time; each is read and written on its own.
const PORTION: i64 = 100;
/// Lets other work come in between.
const PAUSE_BETWEEN_PORTIONS: Duration = Duration::from_millis(20);
/// The pause before a row that was locked or changed is tried again.
const PAUSE_BEFORE_RETRY: Duration = Duration::from_millis(500);

/// Which rows are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    Plain,
    All,
}

/// What became of a row.
#[derive(Debug)]
pub enum Outcome {
    Sealed,
    /// It was sealed for the current key, and opens.
    Already,
    /// It is sealed, and can't be opened.
    Unopened(OpenError),
    /// Another transaction locks it, or has changed it.
    Busy,
    /// The database refused it, or it is too large.
    Refused(String),
    /// It was deleted meanwhile.
    Gone,
}

/// Seals the rows that are not sealed for the current key, and reports each. A busy row is tried `tries` times.
///
/// # Errors
/// The database did not respond; what is sealed by then stays sealed.
pub async fn reseal(
    db: &PgPool,
    keys: &Keyring,
    rows: Rows,
    tries: u32,
    mut report: impl FnMut(&SecretId, Outcome),
) -> Result<(), sqlx::Error> {
    let Some(key) = keys.current() else { return Ok(()) };
    let mut last: Option<SecretId> = None;
    loop {
        let portion = secrets::page(db, rows == Rows::Plain, last.as_ref(), PORTION).await?;
        for id in &portion {
            report(id, reseal_one(db, keys, key, id, tries).await?);
        }
        if i64::try_from(portion.len()).is_ok_and(|found| found < PORTION) {
            return Ok(());
        }
        last = portion.into_iter().last();
        tokio::time::sleep(PAUSE_BETWEEN_PORTIONS).await;
    }
}

async fn reseal_one(
    db: &PgPool,
    keys: &Keyring,
    key: &SealingKey,
    id: &SecretId,
    tries: u32,
) -> Result<Outcome, sqlx::Error> {
    let place = Place { pod_id: &id.pod_id, kind: &id.kind, name: &id.name };
    for attempt in 0..tries {
        if attempt > 0 {
            tokio::time::sleep(PAUSE_BEFORE_RETRY).await;
        }
        let stored = match secrets::value(db, id).await? {
            Value::Read(stored) => stored,
            Value::TooLarge => return Ok(Outcome::Refused("it is larger than 1 MiB. Delete it".to_owned())),
            Value::Gone => return Ok(Outcome::Gone),
        };
        let value = match keys.open(&place, stored.expose_secret()) {
            Ok(value) => value,
            Err(reason) => return Ok(Outcome::Unopened(reason)),
        };
        if is_sealed_for(key, stored.expose_secret()) {
            return Ok(Outcome::Already);
        }
        match secrets::replace(db, id, &stored, &key.seal(&place, value.expose_secret())).await {
            Ok(true) => return Ok(Outcome::Sealed),
            Ok(false) => {}
            Err(error) if is_locked(&error) => {}
            // The detail is left out, since it may quote the row.
            Err(sqlx::Error::Database(refusal)) => return Ok(Outcome::Refused(refusal.message().to_owned())),
            Err(error) => return Err(error),
        }
    }
    Ok(Outcome::Busy)
}

fn is_sealed_for(key: &SealingKey, stored: &str) -> bool {
    matches!(Sealed::parse(stored), Ok(Some(sealed)) if sealed.key_id == key.id())
}
