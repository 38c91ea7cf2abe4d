//! What it costs to find a server for a pod, with few servers and pods and with many. Nothing listens at the servers'
//! addresses, so each job ends after its placement.

use serde_json::json;

use crate::{
    rounds,
    support::{TestDb, Worker, free_port},
    table::{Series, Table},
};

struct Fleet {
    db: TestDb,
    _worker: Worker,
}

impl Fleet {
    async fn new(servers: u32, pods: u32) -> Self {
        let db = TestDb::new().await;
        let nobody = free_port();
        db.execute(&format!(
            "INSERT INTO servers (id, name, ssh_host, ssh_port, cpu_cores, memory_mb, disk_gb)
             SELECT 'server_' || n, 'server-' || n, '127.0.0.1', {nobody}, 1000, 1000000, 100000
             FROM generate_series(1, {servers}) n"
        ))
        .await;
        // The pods are inserted as the web app does, and then updated as if a worker had placed them.
        db.execute(&format!(
            "INSERT INTO pods (id, name, slug) SELECT 'pod_' || n, 'pod', 'pod-' || n FROM generate_series(1, {pods}) n"
        ))
        .await;
        db.execute(&format!(
            "UPDATE pods SET status = 'running', server_id = 'server_' || 1 + substr(id, 5)::int % {servers},
                 proxy_port = 30000 + substr(id, 5)::int / {servers}, cpu_cores = 0.5, memory_mb = 1024, disk_gb = 10"
        ))
        .await;
        db.execute("ANALYZE").await;
        // Reconciliation runs once, when the worker starts, so that it does not disturb the figures.
        let worker = Worker::start_with(&db, &[("RECONCILE_INTERVAL", "86400")]).await;
        Self { db, _worker: worker }
    }

    /// Places a pod, and returns the milliseconds that the step took.
    async fn place(&self, slug: &str) -> f64 {
        let pod = self.db.pod(slug, &json!({})).await;
        let insert = sqlx::query_scalar(
            "INSERT INTO pod_jobs (pod_id, kind, max_attempts) VALUES ($1, 'create', 1) RETURNING id",
        );
        let job: String = insert.bind(&pod).fetch_one(&self.db.pool).await.unwrap();
        assert_eq!(self.db.end_of(&job).await.status, "failed", "a create on a host that is not there");
        let step = format!(
            "SELECT 1000 * extract(epoch FROM finished_at - started_at) FROM pod_job_steps
             WHERE job_id = '{job}' AND name = 'place' AND status = 'succeeded'"
        );
        self.db.text(&step).await.parse().unwrap()
    }
}

pub async fn measure(table: &mut Table) {
    let (few, many) = (Fleet::new(2, 10).await, Fleet::new(500, 50_000).await);
    let (mut of_few, mut of_many) = (vec![], vec![]);
    for round in 0..rounds() {
        of_few.push(few.place(&format!("bench-{round}")).await);
        of_many.push(many.place(&format!("bench-{round}")).await);
    }
    table.compared(
        "ms",
        &Series { what: "placement, 500 servers and 50,000 live pods, its step", figures: of_many },
        &Series { what: "ours, 2 servers and 10 pods", figures: of_few },
        &[],
    );
}
