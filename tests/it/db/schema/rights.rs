//! A web app that may do no more than `pinacle-worker grant` gives it.

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::{TestDb, Worker, worker};

/// A role of the whole server; it goes when this does.
struct Role {
    name: String,
    db: TestDb,
}

impl Role {
    /// That has its rights by the command.
    async fn granted(db: TestDb) -> Self {
        let name = format!("web_app_{}", uuid::Uuid::new_v4().simple());
        db.execute(&format!("CREATE ROLE {name}")).await;
        let granted = worker::cli(&db, &["grant", &name]);
        assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
        Self { name, db }
    }

    /// A connection that has this role's rights.
    async fn connect(&self) -> PgConnection {
        let mut connection = PgConnection::connect(&self.db.app_url()).await.unwrap();
        connection.execute(AssertSqlSafe(format!("SET ROLE {}", self.name))).await.unwrap();
        connection
    }

    async fn drop(self) {
        self.db.execute(&format!("DROP OWNED BY {}", self.name)).await;
        self.db.execute(&format!("DROP ROLE {}", self.name)).await;
    }
}

#[tokio::test]
async fn what_is_granted_is_enough_for_the_app() {
    let role = Role::granted(TestDb::new().await).await;
    let mut app = role.connect().await;
    let server = role.db.local_server().await;
    for statement in [
        format!(
            "INSERT INTO pods (id, name, slug, config, server_id, owner_id)
             VALUES ('pod_1', 'a', 'a', '{{}}', '{server}', 'me')"
        ),
        "INSERT INTO pods (name, slug) VALUES ('b', 'b')".to_owned(),
        "UPDATE pods SET name = 'c', config = '{\"tier\": \"dev.small\"}' WHERE id = 'pod_1'".to_owned(),
        "INSERT INTO pod_jobs (id, pod_id, kind, payload, priority, run_at, max_attempts, requested_by)
         VALUES ('job_1', 'pod_1', 'create', '{}', 1, now(), 3, 'me')"
            .to_owned(),
        "INSERT INTO pod_jobs (pod_id, kind) VALUES ('pod_1', 'stop')".to_owned(),
        "SELECT enqueue_pod_job('pod_1', 'start')".to_owned(),
        "SELECT cancel_pod_job('job_1')".to_owned(),
        "SELECT requeue_failed_pods()".to_owned(),
        "INSERT INTO pod_jobs (pod_id, kind) VALUES ('pod_1', 'destroy')".to_owned(),
        "INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('pod_1', 'env', 'A', 'b')".to_owned(),
        "INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('pod_1', 'env', 'A', 'c')
         ON CONFLICT (pod_id, kind, name) DO UPDATE SET value = 'c'"
            .to_owned(),
        "UPDATE pod_secrets SET value = 'd' WHERE pod_id = 'pod_1' AND name = 'A'".to_owned(),
        "DELETE FROM pod_secrets WHERE pod_id = 'pod_1'".to_owned(),
        "SELECT * FROM servers, pods, pod_jobs, pod_job_steps, pod_logs".to_owned(),
    ] {
        app.execute(AssertSqlSafe(statement.clone())).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let cancelled = "SELECT count(*) FROM pod_jobs WHERE status = 'cancelled'";
    assert_eq!(role.db.text(cancelled).await, "3", "the destroy goes first, though the app itself may not update");
    let error = app.execute("SELECT requeue_pod('pod_1')").await.unwrap_err().to_string();
    assert!(error.contains("only a failed pod can be requeued"), "{error}");
    app.close().await.unwrap();
    role.drop().await;
}

#[tokio::test]
async fn what_is_not_granted_is_denied() {
    let role = Role::granted(TestDb::new().await).await;
    let mut app = role.connect().await;
    let pod = role.db.pod("a", &json!({})).await;
    role.db
        .execute(&format!("INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('{pod}', 'env', 'A', 'b')"))
        .await;
    for statement in [
        "UPDATE pod_jobs SET priority = 1",
        "UPDATE pods SET lease = 9",
        "DELETE FROM pods",
        "DELETE FROM pod_jobs",
        "INSERT INTO servers (name, ssh_host, cpu_cores, memory_mb, disk_gb) VALUES ('a', 'h', 1, 1, 1)",
        "INSERT INTO pods (name, slug, status) VALUES ('a', 'b', 'running')",
        "INSERT INTO pod_jobs (pod_id, kind, status) VALUES ('x', 'create', 'running')",
        "INSERT INTO pod_logs (pod_id, command) VALUES ('x', 'y')",
        "SELECT value FROM pod_secrets",
        "SELECT * FROM pod_secrets",
        "SELECT * FROM apalis.jobs",
        "SELECT nextval('pod_jobs_position')",
        "SELECT wake_pod(repeat('x', 3000000), 'create', 1, now())",
        "SELECT claim_pod_job('x', 'x', true, 'x', interval '1 hour', 1, 1, 1)",
        "SELECT preempt_for_destroy('x')",
        "SELECT lock_slots('servers')",
        "SELECT grant_rights('public')",
        "CREATE TABLE pinacle.mine ()",
    ] {
        let error = app.execute(statement).await.expect_err(statement).to_string();
        assert!(error.contains("permission denied"), "{statement}: {error}");
    }
    app.close().await.unwrap();
    role.drop().await;
}

#[tokio::test]
async fn no_function_of_ours_is_everybodys() {
    let db = TestDb::new().await;
    let everybodys = "SELECT count(*) FROM pg_proc f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a
        WHERE f.pronamespace IN ('pinacle'::regnamespace, 'apalis'::regnamespace) AND a.grantee = 0";
    assert_eq!(db.text(everybodys).await, "0");
    let output = worker::cli(&db, &["grant", "nobody at all"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("nobody at all") && error.contains("CREATE ROLE"), "{error}");
    // It would lose what the worker needs.
    let owner = db.text("SELECT current_user").await;
    for role in ["public", &*owner] {
        let output = worker::cli(&db, &["grant", role]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains("a role for the app alone"), "{role}: {error}");
    }
}

/// The app may make things in `public`, with the names of PostgreSQL's own and arguments that fit better.
#[tokio::test]
async fn no_function_of_the_apps_runs_with_the_workers_rights() {
    let db = TestDb::new().await;
    db.execute("CREATE TABLE public.caught (by text)").await;
    for (function, arguments) in [
        ("json_build_object", vec!["text"; 14]),
        ("json_build_object", ["text"; 12].into_iter().chain(["text", "int"]).collect()),
        (
            "json_build_object",
            vec![
                "text", "text", "text", "text", "text", "text", "text", "text", "text", "text", "text", "int", "text",
                "int",
            ],
        ),
        ("format", vec!["text", "text"]),
        ("format", vec!["text", "text", "bigint"]),
        ("concat", vec!["text", "text", "text"]),
        ("pg_notify", vec!["text", "text"]),
        ("now", vec![]),
        ("lower", vec!["text"]),
    ] {
        let returns = if function == "json_build_object" { "json" } else { "text" };
        db.execute(&format!(
            "CREATE OR REPLACE FUNCTION public.{function}({}) RETURNS {returns} LANGUAGE plpgsql AS
                 $$ BEGIN INSERT INTO public.caught VALUES ('{function}'); RETURN NULL; END $$",
            arguments.join(", ")
        ))
        .await;
    }
    let _worker = Worker::start(&db).await;
    let pod = db.pod("a", &json!({})).await;
    let create = db.job(&pod, "create").await;
    assert_eq!(db.end_of(&create).await.status, "failed", "there is no server");
    db.text(&format!("SELECT requeue_pod('{pod}')")).await;
    db.done(&pod, "destroy").await;
    for command in [&["pods", "list"][..], &["reconcile"], &["servers", "list"], &["jobs", "list"]] {
        let output = worker::cli(&db, command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(db.texts("SELECT DISTINCT by FROM public.caught").await, Vec::<String>::new());
}
