//! A database for each test, copied from one that was migrated once, and what the web app does in it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    str::FromStr,
    time::Duration,
};

use pinacle_worker::store;
use serde_json::Value;
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, PgPool, Row,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{HANG, Postgres, env, nobodys_key};

/// The migrated database that the others are copied from; one a schema, shared by all test processes.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

pub struct TestDb {
    pub pool: PgPool,
    /// `None` for one that goes with its server.
    name: Option<String>,
    url: String,
}

/// How a job ended.
#[derive(Debug)]
pub struct JobEnd {
    pub status: String,
    pub last_error: String,
    pub attempt: i32,
}

async fn admin() -> PgConnection {
    PgConnection::connect(&env("DATABASE_URL")).await.expect("PostgreSQL of the development stack")
}

/// The URL of another database on the development stack's server.
fn url_of(database: &str) -> String {
    let url = env("DATABASE_URL");
    let (server, query) = url.split_once('?').map_or((url.as_str(), ""), |(server, query)| (server, query));
    let (server, _) = server.rsplit_once('/').expect("DATABASE_URL names a database");
    if query.is_empty() { format!("{server}/{database}") } else { format!("{server}/{database}?{query}") }
}

fn app_url(url: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options=-c%20search_path%3Dpinacle,public")
}

async fn create_database(name: &str, template: Option<&str>) {
    let template = template.map(|template| format!(" TEMPLATE {template}")).unwrap_or_default();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}{template}")))
        .execute(&mut admin().await)
        .await
        .unwrap();
}

async fn template() -> &'static str {
    TEMPLATE
        .get_or_init(|| async {
            let name = format!("pinacle_test_template_{:016x}", schema_hash());
            let mut admin = admin().await;
            // Held until the connection is closed: the first process makes it, the others wait for it.
            let lock = sqlx::query("SELECT pg_advisory_lock(hashtextextended($1, 0))").bind(&name);
            lock.execute(&mut admin).await.unwrap();
            let exists = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
            if !sqlx::query_scalar::<_, bool>(exists).bind(&name).fetch_one(&mut admin).await.unwrap() {
                make_template(&name).await;
            }
            admin.close().await.unwrap();
            name
        })
        .await
}

/// Under another name until it is whole.
async fn make_template(name: &str) {
    let unfinished = format!("{name}_unfinished");
    let run = async |sql: String| sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin().await).await.unwrap();
    run(format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await;
    create_database(&unfinished, None).await;
    let pool = PgPool::connect(&url_of(&unfinished)).await.unwrap();
    store::migrate(&pool).await.unwrap();
    pool.close().await;
    run(format!("ALTER DATABASE {unfinished} RENAME TO {name}")).await;
}

/// Changes with the migrations and functions: ours, and those of the crates in Cargo.lock. It is of those that this program has in it,
/// for the files may be newer by the time it runs.
fn schema_hash() -> u64 {
    static OURS: Migrator = sqlx::migrate!();
    let mut hasher = DefaultHasher::new();
    OURS.iter().for_each(|migration| migration.checksum.hash(&mut hasher));
    store::functions_hash().hash(&mut hasher);
    include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).hash(&mut hasher);
    hasher.finish()
}

impl TestDb {
    /// A database with the current schema.
    pub async fn new() -> Self {
        let template = template().await;
        let db = Self::create(Some(template)).await;
        // A copy would take what the others make on the pod host for its own.
        db.execute("UPDATE pinacle_installation SET id = pinacle_id('installation')").await;
        db
    }

    /// A database with nothing in it.
    pub async fn empty() -> Self {
        Self::create(None).await
    }

    /// A copy of another, which nobody may be connected to, or one with nothing in it.
    pub async fn create(template: Option<&str>) -> Self {
        let name = format!("pinacle_test_{}", Uuid::new_v4().simple());
        create_database(&name, template).await;
        Self::at(url_of(&name), Some(name))
    }

    /// The database of a server that is the test's own, with the current schema.
    pub async fn on(postgres: &Postgres) -> Self {
        let db = Self::at(postgres.url(), None);
        store::migrate(&db.pool).await.unwrap();
        db
    }

    fn at(url: String, name: Option<String>) -> Self {
        let options = PgConnectOptions::from_str(&app_url(&url)).unwrap();
        Self { pool: PgPoolOptions::new().max_connections(5).connect_lazy_with(options), name, url }
    }

    /// For a worker, which names the schema itself.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// For the web app, which has chosen to find our tables by its search path.
    pub fn app_url(&self) -> String {
        app_url(&self.url)
    }

    /// Runs statements past all triggers: what they leave is what no worker and no app would.
    pub async fn forge(&self, statements: &str) {
        let forged = format!("BEGIN; SET LOCAL session_replication_role = replica; {statements}; COMMIT");
        sqlx::raw_sql(AssertSqlSafe(forged)).execute(&self.pool).await.unwrap();
    }

    /// Runs a statement.
    pub async fn execute(&self, sql: &str) -> u64 {
        self.try_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub async fn try_execute(&self, sql: &str) -> Result<u64, sqlx::Error> {
        Ok(sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await?.rows_affected())
    }

    /// The first column of the only row, as text.
    pub async fn text(&self, sql: &str) -> String {
        self.try_text(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub async fn try_text(&self, sql: &str) -> Result<String, sqlx::Error> {
        let row = sqlx::query(AssertSqlSafe(format!("SELECT ({sql})::text"))).fetch_one(&self.pool).await?;
        Ok(row.get::<Option<String>, _>(0).unwrap_or_default())
    }

    /// Every value of the first column, as text.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT x::text FROM ({sql}) AS t(x)"))).fetch_all(&self.pool);
        rows.await.unwrap().iter().map(|row| row.get::<Option<String>, _>(0).unwrap_or_default()).collect()
    }

    /// The port of its server by which a pod is reached, or nothing.
    pub async fn proxy_port(&self, pod: &str) -> String {
        self.text(&format!("SELECT proxy_port FROM pods WHERE id = '{pod}'")).await
    }

    /// Inserts this machine as a server, and returns its id.
    pub async fn local_server(&self) -> String {
        sqlx::query_scalar(
            "INSERT INTO servers (name, connection, cpu_cores, memory_mb, disk_gb)
             VALUES ('local', 'local', 64, 65536, 1000) RETURNING id",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// Inserts a server that pods are placed on, and that no worker reaches: nobody listens there.
    pub async fn server_out_of_reach(&self) {
        self.ssh_server("away", 1).await;
    }

    /// Inserts a server that should be reached at a port of this machine, where no pod host is.
    pub async fn ssh_server(&self, name: &str, port: u16) {
        sqlx::query(
            "INSERT INTO servers (name, ssh_host, ssh_port, ssh_host_key, cpu_cores, memory_mb, disk_gb)
             VALUES ($1, '127.0.0.1', $2, $3, 64, 65536, 1000)",
        )
        .bind(name)
        .bind(i32::from(port))
        .bind(nobodys_key::public())
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Inserts a pod, as the web app does, and returns its id.
    pub async fn pod(&self, slug: &str, config: &Value) -> String {
        sqlx::query_scalar("INSERT INTO pods (name, slug, config) VALUES ($1, $1, $2) RETURNING id")
            .bind(slug)
            .bind(config)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Inserts a job, as the web app does, and returns its id.
    pub async fn job(&self, pod: &str, kind: &str) -> String {
        sqlx::query_scalar("INSERT INTO pod_jobs (pod_id, kind) VALUES ($1, $2) RETURNING id")
            .bind(pod)
            .bind(kind)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Follows `pod_events`, as a page does.
    pub async fn events(&self) -> PgListener {
        let mut listener = PgListener::connect(&self.url()).await.unwrap();
        listener.listen("pod_events").await.unwrap();
        listener
    }

    /// Waits until `condition`, an SQL expression, holds; it is looked at whenever something is announced.
    pub async fn until(&self, condition: &str) {
        let mut events = self.events().await;
        let wait = async {
            while self.text(condition).await != "true" {
                drop(tokio::time::timeout(Duration::from_millis(500), events.recv()).await);
            }
        };
        let came = tokio::time::timeout(HANG, wait).await;
        assert!(came.is_ok(), "{condition} did not come about; jobs: {:#?}", self.jobs().await);
    }

    async fn jobs(&self) -> Vec<String> {
        self.texts("SELECT concat_ws(' ', pod_id, kind, status, attempt, step, last_error) FROM pod_jobs").await
    }

    /// Waits until the job is finished.
    pub async fn end_of(&self, job: &str) -> JobEnd {
        self.until(&format!("SELECT status IN ('succeeded', 'failed', 'cancelled') FROM pod_jobs WHERE id = '{job}'"))
            .await;
        let row = sqlx::query("SELECT status, coalesce(last_error, ''), attempt FROM pod_jobs WHERE id = $1")
            .bind(job)
            .fetch_one(&self.pool)
            .await
            .unwrap();
        JobEnd { status: row.get(0), last_error: row.get(1), attempt: row.get(2) }
    }

    /// Inserts a job and waits until it has succeeded.
    pub async fn done(&self, pod: &str, kind: &str) {
        let end = self.end_of(&self.job(pod, kind).await).await;
        assert_eq!(end.status, "succeeded", "{kind} of {pod}: {}", end.last_error);
    }

    /// Inserts a job, waits until it has failed, and returns why.
    pub async fn refused(&self, pod: &str, kind: &str) -> String {
        let end = self.end_of(&self.job(pod, kind).await).await;
        assert_eq!(end.status, "failed", "{kind} of {pod}");
        end.last_error
    }

    pub async fn pod_status(&self, pod: &str) -> String {
        self.text(&format!("SELECT status FROM pods WHERE id = '{pod}'")).await
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let Some(name) = self.name.clone() else { return };
        // A database can only be dropped from outside it, and drop() can't wait in the test's own runtime.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                sqlx::raw_sql(drop).execute(&mut admin().await).await.unwrap();
            });
        });
        dropped.join().unwrap();
    }
}
