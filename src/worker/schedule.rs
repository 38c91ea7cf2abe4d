//! The table of the scheduled tasks, with their intervals.

use std::sync::Arc;

use sqlx::PgPool;

use crate::{
    maintenance::{
        Task,
        cleanup::Cleanup,
        images::{self, ImageCleanup},
        sealing,
    },
    reconcile::Reconciler,
    secrets::Keyring,
    settings::Settings,
};

/// A worker without a key for secrets leaves the sealing to workers that have one.
pub fn tasks(
    settings: &Settings,
    db: &PgPool,
    reconciler: Reconciler,
    image_cleanup: ImageCleanup,
    keys: &Arc<Keyring>,
) -> Vec<Task> {
    let (interval, state) = (settings.log_cleanup_interval, (settings.cleanup(), db.clone()));
    let mut tasks = vec![
        Task::new("log-cleanup", interval, state, |(cleanup, db): (Cleanup, PgPool)| async move {
            cleanup.run_and_report(&db).await;
        }),
        Task::new("image-cleanup", images::INTERVAL, image_cleanup, |cleanup: ImageCleanup| async move {
            cleanup.run_and_report().await;
        }),
        Task::new("reconcile", settings.reconcile_interval, reconciler, |reconciler: Reconciler| async move {
            reconciler.all_and_report().await;
        }),
    ];
    if keys.current().is_some() {
        let state = (db.clone(), Arc::clone(keys));
        tasks.push(Task::new("sealing", sealing::INTERVAL, state, |(db, keys): (PgPool, Arc<Keyring>)| async move {
            sealing::run_and_report(&db, &keys).await;
        }));
    }
    tasks
}
