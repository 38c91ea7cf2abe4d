//! The schema: what `pinacle-worker migrate` makes of a database, and what the tables accept.

mod columns;
mod forged;
mod rights;
mod samples;
mod upgrade;

use std::process::Stdio;

use crate::support::{TestDb, worker};

const PROCESSES: usize = 6;

#[tokio::test]
async fn processes_that_migrate_at_once_all_succeed() {
    let db = TestDb::empty().await;
    for round in ["on an empty database", "on a migrated one"] {
        let migrate = || {
            let mut command = worker::binary();
            command.env("DATABASE_URL", db.url()).arg("migrate").stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        };
        let processes: Vec<_> = (0..PROCESSES).map(|_| migrate()).collect();
        for process in processes {
            let output = process.wait_with_output().unwrap();
            assert!(output.status.success(), "{round}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    let pod = db.pod("a", &serde_json::json!({})).await;
    db.job(&pod, "create").await;
    assert_eq!(db.text("SELECT count(*) FROM apalis.jobs").await, "1", "the trigger rings");
}

/// Whose sessions name the schema in their search path, as those of a user `pinacle` do by PostgreSQL's default, have looked it
/// up before it was there.
#[tokio::test]
async fn who_waited_while_another_made_the_schema_finds_it() {
    let db = TestDb::empty().await;
    db.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = pinacle, public', current_database()); END $$",
    )
    .await;
    let mut first = db.pool.begin().await.unwrap();
    let lock = sqlx::raw_sql("SELECT pg_advisory_xact_lock(hashtextextended('pinacle.migrate', 0))");
    lock.execute(&mut *first).await.unwrap();
    let mut second = worker::binary();
    second.env("DATABASE_URL", db.url()).arg("migrate").stdout(Stdio::piped()).stderr(Stdio::piped());
    let second = second.spawn().unwrap();
    db.until(super::queue::SOMEBODY_WAITS).await;
    sqlx::raw_sql("CREATE SCHEMA pinacle").execute(&mut *first).await.unwrap();
    first.commit().await.unwrap();
    let output = second.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Tables as a web app has them, with what belongs to them.
const WEB_APP: &str = r#"
    CREATE TYPE plan AS ENUM ('free', 'team');
    CREATE TABLE users (id text PRIMARY KEY, email text UNIQUE NOT NULL, plan plan NOT NULL DEFAULT 'free');
    CREATE TABLE "Session" (id bigserial PRIMARY KEY, "userId" text REFERENCES users ON DELETE CASCADE, data jsonb);
    CREATE TABLE jobs (id serial PRIMARY KEY, job text);
    CREATE TABLE workers (id text PRIMARY KEY);
    CREATE INDEX sessions_of_a_user ON "Session" ("userId");
    CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.email := upper(NEW.email); RETURN NEW; END $$;
    CREATE TRIGGER shout BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION shout();
    INSERT INTO users VALUES ('user_1', 'a@b.c', 'team');
    INSERT INTO "Session" ("userId", data) VALUES ('user_1', '{"a": 1}'), (NULL, NULL);
    INSERT INTO jobs (job) VALUES ('theirs');
    INSERT INTO workers VALUES ('theirs');"#;

/// All that can be seen of them: columns, constraints, indexes, triggers, rows.
const SEEN: &str = r#"
    SELECT jsonb_pretty(jsonb_build_array(
        (SELECT jsonb_agg(to_jsonb(c) ORDER BY table_name, ordinal_position) FROM information_schema.columns c
         WHERE table_schema = 'public' AND table_name IN ('users', 'Session', 'jobs', 'workers')),
        (SELECT jsonb_agg(conrelid::regclass || pg_get_constraintdef(oid) ORDER BY conrelid, conname) FROM pg_constraint
         WHERE conrelid IN ('users'::regclass, '"Session"'::regclass, 'jobs'::regclass, 'workers'::regclass)),
        (SELECT jsonb_agg(indexdef ORDER BY indexname) FROM pg_indexes
         WHERE schemaname = 'public' AND tablename IN ('users', 'Session', 'jobs', 'workers')),
        (SELECT jsonb_agg(pg_get_triggerdef(oid) ORDER BY oid) FROM pg_trigger
         WHERE tgrelid IN ('users'::regclass, '"Session"'::regclass, 'jobs'::regclass, 'workers'::regclass)),
        (SELECT jsonb_agg(users) FROM users), (SELECT jsonb_agg(s) FROM "Session" s),
        (SELECT jsonb_agg(jobs) FROM jobs), (SELECT jsonb_agg(workers) FROM workers)))"#;

#[tokio::test]
async fn the_web_apps_own_tables_stay_as_they_are() {
    let db = TestDb::empty().await;
    sqlx::raw_sql(WEB_APP).execute(&db.pool).await.unwrap();
    let before = db.text(SEEN).await;

    let migrated = worker::cli(&db, &["migrate"]);

    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    assert_eq!(db.text(SEEN).await, before);
    db.execute("INSERT INTO users VALUES ('user_2', 'c@d.e')").await;
    assert_eq!(db.text("SELECT email FROM users WHERE id = 'user_2'").await, "C@D.E");
}

#[tokio::test]
async fn ids_are_the_apps_own_or_made_by_the_database() {
    let db = TestDb::new().await;
    // A row with the app's own id, and two without.
    for (own, slug) in [(true, "a"), (false, "b"), (false, "c")] {
        let id = |own_id: &str| if own { format!("'{own_id}'") } else { "DEFAULT".to_owned() };
        let (server, pod, job, log) = (id("own"), id("pod_2xYqF1uL8sJ0cVbN4mKpW7rTzAe"), id("job_own"), id("log_own"));
        for statement in [
            format!(
                "INSERT INTO servers (id, name, connection, cpu_cores, memory_mb, disk_gb)
                 VALUES ({server}, '{slug}', 'local', 1, 1, 1)"
            ),
            format!("INSERT INTO pods (id, name, slug) VALUES ({pod}, '{slug}', '{slug}')"),
            format!(
                "INSERT INTO pod_jobs (id, pod_id, kind)
                 VALUES ({job}, (SELECT id FROM pods WHERE slug = '{slug}'), 'create')"
            ),
            format!("INSERT INTO pod_logs (id, pod_id, command) VALUES ({log}, 'gone', 'true')"),
        ] {
            db.execute(&statement).await;
        }
    }
    for (table, prefix, own) in [
        ("servers", "server_", "own"),
        ("pods", "pod_", "pod_2xYqF1uL8sJ0cVbN4mKpW7rTzAe"),
        ("pod_jobs", "job_", "job_own"),
        ("pod_logs", "pod_log_", "log_own"),
    ] {
        assert_eq!(db.text(&format!("SELECT count(*) FROM {table} WHERE id = '{own}'")).await, "1", "{table}");
        let made = db.texts(&format!("SELECT id FROM {table} WHERE id <> '{own}'")).await;
        assert_eq!(made.len(), 2, "{table}");
        assert!(made[0] != made[1] && made.iter().all(|id| id.starts_with(prefix)), "{table}: {made:?}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_a_constraint_that_says_why() {
    let db = TestDb::new().await;
    let pod = db.pod("taken", &serde_json::json!({})).await;
    let server = db.local_server().await;
    db.execute(&format!("UPDATE pods SET server_id = '{server}', proxy_port = 30000 WHERE id = '{pod}'")).await;

    let long = "a".repeat(44);
    for slug in ["", " ", "a b", "A", "ä", "-a", "a-", "a_b", "a.b", "a\n", "a/../b", "$(id)", &long] {
        let inserted = sqlx::query("INSERT INTO pods (name, slug) VALUES ('x', $1)").bind(slug).execute(&db.pool).await;
        let error = inserted.unwrap_err().into_database_error().unwrap();
        assert_eq!(error.constraint(), Some("pods_slug_is_a_dns_label"), "{slug:?}: {error}");
        assert!(error.message().contains("up to 43 small letters, digits and inner hyphens"), "{slug:?}: {error}");
        let updated = sqlx::query("UPDATE pods SET slug = $1 WHERE id = $2").bind(slug).bind(&pod);
        let error = updated.execute(&db.pool).await.unwrap_err().into_database_error().unwrap();
        assert_eq!(error.constraint(), Some("pods_slug_is_a_dns_label"), "{slug:?}: {error}");
    }
    let longest = "a".repeat(43);
    for slug in ["a", "0", "a-b", "a--b", &longest] {
        db.pod(slug, &serde_json::json!({})).await;
    }

    db.job(&pod, "create").await;

    let insert = "INSERT INTO servers (name, connection, ssh_host, ssh_port, cpu_cores, memory_mb, disk_gb) VALUES";
    for (statement, constraint) in [
        ("INSERT INTO pods (name, slug) VALUES ('x', 'taken')".to_owned(), "pods_slug_of_live_pods"),
        ("UPDATE pods SET status = 'sleeping'".to_owned(), "pods_status_is_known"),
        (format!("UPDATE pods SET proxy_port = 29999 WHERE id = '{pod}'"), "pods_proxy_port_is_in_range"),
        (format!("UPDATE pods SET proxy_port = 40001 WHERE id = '{pod}'"), "pods_proxy_port_is_in_range"),
        (
            format!("UPDATE pods SET server_id = '{server}', proxy_port = 30000 WHERE slug = 'a'"),
            "pods_proxy_port_of_live_pods",
        ),
        ("INSERT INTO pods (name, slug, server_id) VALUES ('x', 'x', 'none')".to_owned(), "pods_server_id_fkey"),
        (
            "INSERT INTO pods (name, slug, owner_id) VALUES ('x', 'x', repeat('x', 257))".to_owned(),
            "pods_owner_id_is_short",
        ),
        ("INSERT INTO pods (id, name, slug) VALUES ('a b', 'x', 'x')".to_owned(), "pods_id_is_fit_for_names"),
        ("INSERT INTO pods (id, name, slug) VALUES ('../x', 'x', 'x')".to_owned(), "pods_id_is_fit_for_names"),
        (format!("INSERT INTO pod_jobs (pod_id, kind) VALUES ('{pod}', 'explode')"), "pod_jobs_kind_is_known"),
        ("UPDATE pod_jobs SET status = 'done'".to_owned(), "pod_jobs_status_is_known"),
        (
            format!("INSERT INTO pod_jobs (pod_id, kind, max_attempts) VALUES ('{pod}', 'stop', 0)"),
            "pod_jobs_max_attempts_is_positive",
        ),
        (
            format!("INSERT INTO pod_jobs (pod_id, kind, payload) VALUES ('{pod}', 'stop', '[]')"),
            "payload of a stop job is a JSON object",
        ),
        ("INSERT INTO pod_jobs (pod_id, kind) VALUES ('none', 'create')".to_owned(), "pod_jobs_pod_id_fkey"),
        (
            format!("INSERT INTO pod_secrets (pod_id, kind, name, value) VALUES ('{pod}', 'note', 'a', 'b')"),
            "pod_secrets_kind_is_known",
        ),
        (format!("{insert} ('local', 'local', NULL, 22, 1, 1, 1)"), "servers_name_key"),
        (format!("{insert} (' ', 'local', NULL, 22, 1, 1, 1)"), "servers_name_is_not_blank"),
        (format!("{insert} ('t', 'telnet', 'h', 22, 1, 1, 1)"), "servers_connection_is_known"),
        (format!("{insert} ('t', 'ssh', NULL, 22, 1, 1, 1)"), "servers_ssh_needs_a_host"),
        (format!("{insert} ('t', 'ssh', 'h', 0, 1, 1, 1)"), "servers_ssh_port_is_a_port"),
        (format!("{insert} ('t', 'ssh', 'h', 65536, 1, 1, 1)"), "servers_ssh_port_is_a_port"),
        (format!("{insert} ('t', 'ssh', 'h', 22, 0, 1, 1)"), "servers_cpu_cores_is_positive"),
        ("UPDATE servers SET status = 'away'".to_owned(), "servers_status_is_known"),
    ] {
        let error = db.try_execute(&statement).await.expect_err(&statement).to_string();
        assert!(error.contains(constraint), "{statement}: {error}");
    }
    for port in [30000, 40000] {
        db.execute(&format!("UPDATE pods SET proxy_port = {port} WHERE id = '{pod}'")).await;
    }
}

#[tokio::test]
async fn slug_and_port_of_a_destroyed_pod_are_free_again() {
    let db = TestDb::new().await;
    let server = db.local_server().await;
    let first = db.pod("shop", &serde_json::json!({})).await;
    db.execute(&format!("UPDATE pods SET server_id = '{server}', proxy_port = 30000")).await;
    db.execute("UPDATE pods SET status = 'terminated', destroyed_at = now()").await;

    let second = db.pod("shop", &serde_json::json!({})).await;
    db.execute(&format!("UPDATE pods SET server_id = '{server}', proxy_port = 30000 WHERE id = '{second}'")).await;

    assert_ne!(first, second);
    assert_eq!(db.text("SELECT count(*) FROM pods WHERE slug = 'shop'").await, "2");
}

#[tokio::test]
async fn a_users_log_is_read_in_order_by_an_index() {
    let db = TestDb::new().await;
    // Pods take turns, as they do in life, so a pod's rows lie far apart; half the rows are infrastructure. The planner
    // remembers how common the most common pod is, and may sort that one's rows: by its double share that is pod_0.
    db.execute(
        "INSERT INTO pod_logs (pod_id, timestamp, command, container_command, stdout, exit_code)
         SELECT 'pod_' || i % 51 % 50, now() - interval '5 days' + i * interval '1 second', 'docker exec …',
                CASE WHEN i / 51 % 2 = 0 THEN 'npm ci' END, repeat('x', 200), 0
         FROM generate_series(1, 51000) AS i",
    )
    .await;
    db.execute("ANALYZE pod_logs").await;
    let query = "SELECT * FROM pod_logs WHERE pod_id = $1 AND container_command IS NOT NULL ORDER BY timestamp";
    let mut connection = db.pool.acquire().await.unwrap();
    let prepare = format!("PREPARE log (text) AS {query}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(prepare)).execute(&mut *connection).await.unwrap();
    for mode in ["force_custom_plan", "force_generic_plan"] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SET plan_cache_mode = {mode}")))
            .execute(&mut *connection)
            .await
            .unwrap();
        let plan: Vec<String> = sqlx::query_scalar("EXPLAIN EXECUTE log ('pod_7')")
            .persistent(false)
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("Index Scan using pod_logs_a_user_sees"), "{mode}: {plan}");
        assert!(!plan.contains("Sort") && !plan.contains("Seq Scan"), "{mode}: {plan}");
    }
}
