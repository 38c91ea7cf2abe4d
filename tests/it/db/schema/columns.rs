//! The columns, as docs/contract.md has them. What else a table has is the worker's own.

use crate::support::TestDb;

/// Column, type, what the contract says beside: `not null`, `default …`, or both.
type Columns = [(&'static str, &'static str, &'static str)];

const SERVERS: &Columns = &[
    ("id", "text", "not null default generated"),
    ("name", "text", "not null"),
    ("connection", "text", "not null default 'ssh'"),
    ("ssh_host", "text", ""),
    ("ssh_port", "integer", "default 22"),
    ("ssh_user", "text", "default 'root'"),
    ("ssh_host_key", "text", ""),
    ("bind_address", "text", "not null default '127.0.0.1'"),
    ("domain", "text", "not null default 'localhost'"),
    ("status", "text", "not null default 'online'"),
    ("cpu_cores", "real", "not null"),
    ("memory_mb", "integer", "not null"),
    ("disk_gb", "integer", "not null"),
    ("last_heartbeat_at", "timestamp with time zone", ""),
    ("created_at", "timestamp with time zone", "default now()"),
    ("updated_at", "timestamp with time zone", "default now()"),
];

const PODS: &Columns = &[
    ("id", "text", "not null default generated"),
    ("name", "text", "not null"),
    ("slug", "text", "not null"),
    ("owner_id", "text", "null"),
    ("config", "jsonb", "not null default '{}'"),
    ("server_id", "text", "null"),
    ("status", "text", "not null default 'pending'"),
    ("container_id", "text", "null"),
    ("internal_ip", "text", "null"),
    ("public_url", "text", "null"),
    ("proxy_port", "integer", "null"),
    ("up", "boolean", "not null default false"),
    ("last_error", "text", "null"),
    ("last_started_at", "timestamp with time zone", "null"),
    ("last_stopped_at", "timestamp with time zone", "null"),
    ("destroyed_at", "timestamp with time zone", "null"),
    ("created_at", "timestamp with time zone", "default now()"),
    ("updated_at", "timestamp with time zone", "default now()"),
];

const POD_JOBS: &Columns = &[
    ("id", "text", "not null default generated"),
    ("pod_id", "text", "not null"),
    ("kind", "text", "not null"),
    ("payload", "jsonb", "not null default '{}'"),
    ("status", "text", "not null default 'queued'"),
    ("priority", "integer", "not null default 0"),
    ("run_at", "timestamp with time zone", "not null default now()"),
    ("attempt", "integer", "default 0"),
    ("max_attempts", "integer", "default 5"),
    ("step", "text", "null"),
    ("steps_done", "integer", "null"),
    ("steps_total", "integer", "null"),
    ("last_error", "text", "null"),
    ("requested_by", "text", "null"),
    ("created_at", "timestamp with time zone", "default now()"),
    ("started_at", "timestamp with time zone", "null"),
    ("finished_at", "timestamp with time zone", "null"),
];

const POD_JOB_STEPS: &Columns = &[
    ("job_id", "text", "not null"),
    ("position", "integer", "not null"),
    ("name", "text", "not null"),
    ("status", "text", "not null"),
    ("attempt", "integer", ""),
    ("started_at", "timestamp with time zone", ""),
    ("finished_at", "timestamp with time zone", "null"),
    ("error", "text", "null"),
];

const POD_LOGS: &Columns = &[
    ("id", "text", "not null default generated"),
    ("pod_id", "text", "not null"),
    ("timestamp", "timestamp with time zone", "not null default now()"),
    ("command", "text", "not null"),
    ("container_command", "text", "null"),
    ("stdout", "text", "default ''"),
    ("stderr", "text", "default ''"),
    ("exit_code", "integer", "null"),
    ("duration", "integer", "null"),
    ("label", "text", "null"),
    ("job_id", "text", "null"),
    ("created_at", "timestamp with time zone", "not null default now()"),
];

const POD_SECRETS: &Columns = &[
    ("pod_id", "text", "not null"),
    ("kind", "text", "not null"),
    ("name", "text", "not null"),
    ("value", "text", "not null"),
    ("created_at", "timestamp with time zone", ""),
];

#[tokio::test]
async fn columns_are_as_the_contract_says() {
    let db = TestDb::new().await;
    for (table, columns) in [
        ("servers", SERVERS),
        ("pods", PODS),
        ("pod_jobs", POD_JOBS),
        ("pod_job_steps", POD_JOB_STEPS),
        ("pod_logs", POD_LOGS),
        ("pod_secrets", POD_SECRETS),
    ] {
        for (column, kind, says) in columns {
            let of = |what: &str| {
                format!(
                    "SELECT {what} FROM information_schema.columns WHERE table_schema = 'pinacle'
                         AND table_name = '{table}' AND column_name = '{column}'"
                )
            };
            assert_eq!(db.texts(&of("data_type")).await, [*kind], "{table}.{column}");
            let (nullable, default) = (db.text(&of("is_nullable")).await, db.text(&of("column_default")).await);
            match *says {
                "" => {}
                "null" => assert_eq!(nullable, "YES", "{table}.{column}"),
                says if says.starts_with("not null") => assert_eq!(nullable, "NO", "{table}.{column}"),
                _ => {}
            }
            let default = match default.split("::").next().unwrap_or_default() {
                made if made.starts_with("pinacle_id(") => "generated",
                plain => plain,
            };
            let expected = says.split_once("default ").map_or("", |(_, expected)| expected);
            if !says.is_empty() {
                assert_eq!(default, expected, "the default of {table}.{column}");
            }
        }
    }
}

/// An insert that names the contract's columns alone must do, whatever the worker keeps beside them.
#[tokio::test]
async fn the_least_that_the_contract_asks_for_is_enough() {
    let db = TestDb::new().await;
    db.execute("INSERT INTO servers (name, ssh_host, cpu_cores, memory_mb, disk_gb) VALUES ('a', 'h', 0.5, 1, 1)")
        .await;
    db.execute("INSERT INTO pods (id, name, slug) VALUES ('pod_123', 'a', 'a')").await;
    db.execute("INSERT INTO pod_jobs (pod_id, kind) VALUES ('pod_123', 'create')").await;
    db.execute("INSERT INTO pod_logs (pod_id, command) VALUES ('pod_123', 'true')").await;
    db.execute("INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('pod_123', 'env', 'A', 'b')").await;
    let again =
        db.try_execute("INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('pod_123', 'env', 'A', 'c')").await;
    assert!(again.unwrap_err().to_string().contains("pod_secrets_pkey"));
    db.execute("INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('pod_123', 'deploy_key', 'A', 'c')").await;
}

#[tokio::test]
async fn every_kind_and_every_status_of_the_contract_is_accepted() {
    let db = TestDb::new().await;
    let pod = db.pod("a", &serde_json::json!({})).await;
    let job = db.job(&pod, "create").await;
    let pods = "pending provisioning starting running stopping stopped failed terminating terminated";
    for (statement, values) in [
        (format!("UPDATE pods SET status = '?' WHERE id = '{pod}'"), pods),
        (
            format!("UPDATE pod_jobs SET status = '?' WHERE id = '{job}'"),
            "queued running retrying succeeded failed cancelled",
        ),
        (format!("INSERT INTO pod_jobs (pod_id, kind) VALUES ('{pod}', '?')"), "create start stop restart destroy"),
        (
            format!(
                "INSERT INTO pod_job_steps (job_id, position, name, status, attempt)
                 VALUES ('{job}', (SELECT count(*) FROM pod_job_steps), 'x', '?', 1)"
            ),
            "running succeeded skipped failed x",
        ),
        ("UPDATE servers SET status = '?'".to_owned(), "online draining offline"),
    ] {
        for value in values.split(' ') {
            let done = db.try_execute(&statement.replace('?', value)).await;
            assert_eq!(done.is_ok(), value != "x", "{statement}, {value}: {done:?}");
        }
    }
}
