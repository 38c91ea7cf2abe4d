//! A web app that may do no more than the contract asks of it.

use sqlx::{AssertSqlSafe, Executor};

use crate::support::TestDb;

#[tokio::test]
async fn the_right_to_insert_is_enough_to_enqueue() {
    let db = TestDb::new().await;
    // Roles belong to the whole server; one that is never committed leaves nothing there.
    let mut tx = db.pool.begin().await.unwrap();
    let role = format!("web_app_{}", uuid::Uuid::new_v4().simple());
    for statement in [
        format!("CREATE ROLE {role}"),
        format!("GRANT SELECT, INSERT ON pods, pod_jobs TO {role}"),
        format!("SET LOCAL ROLE {role}"),
    ] {
        tx.execute(AssertSqlSafe(statement)).await.unwrap();
    }

    tx.execute("INSERT INTO pods (id, name, slug) VALUES ('pod_1', 'a', 'a')").await.unwrap();
    let create: String =
        sqlx::query_scalar("INSERT INTO pod_jobs (pod_id, kind) VALUES ('pod_1', 'create') RETURNING id")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
    let stop: String = sqlx::query_scalar("SELECT enqueue_pod_job('pod_1', 'stop')").fetch_one(&mut *tx).await.unwrap();
    tx.execute("INSERT INTO pod_jobs (pod_id, kind) VALUES ('pod_1', 'destroy')").await.unwrap();

    let cancelled: Vec<String> =
        sqlx::query_scalar("SELECT id FROM pod_jobs WHERE status = 'cancelled' ORDER BY position")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
    assert_eq!(cancelled, [create, stop], "the destroy goes first, though the app itself may not update");
    tx.execute("SAVEPOINT rights").await.unwrap();
    for forbidden in [
        "UPDATE pod_jobs SET priority = 1",
        "DELETE FROM pods",
        "SELECT * FROM apalis.jobs",
        "SELECT * FROM pod_secrets",
    ] {
        let error = tx.execute(forbidden).await.expect_err(forbidden).to_string();
        assert!(error.contains("permission denied"), "{forbidden}: {error}");
        tx.execute("ROLLBACK TO rights").await.unwrap();
    }
    tx.execute("RESET ROLE").await.unwrap();
    let doorbells: i64 = sqlx::query_scalar("SELECT count(*) FROM apalis.jobs").fetch_one(&mut *tx).await.unwrap();
    assert!(doorbells >= 3, "{doorbells}");
}
