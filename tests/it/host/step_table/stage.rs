//! A pod whose every step has something to do, contexts as workers make them, and all that can be seen of the pod.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pinacle_worker::{
    docker::SubnetPool,
    fleet::HostDirectory,
    model::{JobLimits, LeaseClock, PodStatus},
    podspec::{self, Catalog},
    secrets::Keyring,
    steps::{Environment, StepContext},
    store::{
        jobs::{self, Claimant},
        pods,
        steps::Changes,
    },
};
use secrecy::SecretString;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    host::repository::GitServer,
    support::{PodHost, TestDb, env, host::sh, turn},
};

/// Longer than any test.
const HOUR: Duration = Duration::from_hours(1);
const LIMITS: JobLimits = JobLimits { per_worker: 100, per_server: 100, per_owner: 100 };

/// A service that writes down each of its installs and starts.
const SERVICE: &str = r#"
name = "page"
description = "Serves a page"
default_port = 9000
install = "echo the service >>/root/installs"
start = '''
echo the service >>/root/starts
mkdir -p /root/site && echo page >/root/site/index.html
exec busybox httpd -f -p 9000 -h /root/site
'''
health = { command = "curl -fsS http://127.0.0.1:9000/", timeout_seconds = 60 }
"#;

/// All that is there of a pod on its host: `$1` is its id. Of one that runs, also what was installed and started in it, and
/// how often.
const ON_HOST: &str = r#"
only="--filter label=pinacle.pod=$1"
docker ps -aq --no-trunc $only | while read -r id; do
    docker inspect -f 'container {{.Id}} {{.State.Status}} {{.State.StartedAt}} {{.RestartCount}}' "$id"
    [ "$(docker inspect -f '{{.State.Running}}' "$id")" != true ] ||
        docker exec "$id" sh -c 'cd /root && touch installs starts && sed "s/^/installed /" installs && sed "s/^/started /" starts
            ls -A /workspace /etc/pinacle/services /etc/pinacle/processes'
done
docker network ls -q --no-trunc $only | sed 's/^/network /'
docker volume ls -q $only | xargs -r docker volume inspect -f 'volume {{.Name}} {{.CreatedAt}}'
[ ! -e "/var/lib/pinacle-worker/fences/$1" ] || echo fence
"#;

pub struct Stage {
    pub db: TestDb,
    environment: Environment,
    git: GitServer,
}

/// What can be seen of a pod.
#[derive(Debug, PartialEq, Eq)]
pub struct State {
    pub host: String,
    /// Its row, without the lease and the time of the last write.
    row: String,
}

impl Stage {
    pub async fn new(host: &PodHost) -> Self {
        let db = TestDb::new().await;
        host.add_to(&db).await;
        let services = tempfile::tempdir().unwrap();
        std::fs::write(services.path().join("page.toml"), SERVICE).unwrap();
        let key = std::fs::read_to_string(env("SSH_PRIVATE_KEY_FILE")).unwrap();
        let environment = Environment {
            db: db.pool.clone(),
            hosts: Arc::new(HostDirectory::new(Some(SecretString::from(key)))),
            catalog: Arc::new(Catalog::load(Some(services.path())).unwrap()),
            keys: Arc::new(Keyring::new(None, Vec::new())),
            subnets: turn::subnets().unwrap().parse::<SubnetPool>().unwrap(),
            installation: db.text("SELECT id FROM pinacle_installation").await.into(),
            lease: LeaseClock::new(Instant::now() + HOUR),
            limits: LIMITS,
            log_budget_mb: 1,
            allow_unconfined_pods: false,
        };
        Self { db, environment, git: GitServer::start() }
    }

    /// A pod of which each step has something to make.
    pub async fn pod(&self, slug: &str) -> String {
        let config = json!({
            "repository": { "url": self.git.public() },
            "environment": { "COLOUR": "blue" },
            "services": ["page"],
            "install": "test -e file && echo the project >>/root/installs",
            "hooks": { "preStart": ["test -s .env"], "postStart": ["curl -fsS http://127.0.0.1:3000/file"] },
            "processes": [{
                "name": "web",
                "startCommand": "echo the process >>/root/starts; exec busybox httpd -f -p 3000",
                "healthCheck": "curl -fsS http://127.0.0.1:3000/file",
            }],
        });
        self.db.pod(slug, &config).await
    }

    /// Claims the pod's job, as a worker that knows nothing of it yet.
    pub async fn claim(&self, pod: &str) -> StepContext {
        let claimant = Claimant { worker: "worker", queue: None, deadline: HOUR, limits: LIMITS };
        let claimed =
            jobs::claim(&self.db.pool, pod, "no wakeup", &claimant).await.unwrap().expect("a job that is due");
        let row = pods::get(&self.db.pool, pod).await.unwrap().unwrap();
        let spec = podspec::resolve(row.config.0.as_ref().unwrap(), &self.environment.catalog).unwrap();
        let (environment, cancel) = (self.environment.clone(), CancellationToken::new());
        StepContext::new(environment, claimed.fence(), cancel, claimed.attempt, row, spec, Some(Vec::new()))
    }

    /// Another worker claims the job where this one has left it.
    pub async fn take_over(&self, ctx: &StepContext) -> StepContext {
        jobs::release(&self.db.pool, &ctx.fence).await.unwrap();
        self.claim(&ctx.fence.pod_id).await
    }

    pub async fn succeed(&self, ctx: &StepContext, pod: PodStatus) {
        jobs::succeed(&self.db.pool, &ctx.fence, pod, &Changes::default()).await.unwrap();
    }

    pub async fn state(&self, pod: &str) -> State {
        let look = format!("set -- {pod}\n{ON_HOST}");
        let host = tokio::task::spawn_blocking(move || sh(&look)).await.unwrap();
        let row = format!("SELECT to_jsonb(p) - 'lease' - 'updated_at' FROM pods p WHERE id = '{pod}'");
        State { host, row: self.db.text(&row).await }
    }

    /// What the pod's row says that the pod has of a server.
    pub async fn held(&self, pod: &str) -> String {
        let columns = "server_id, proxy_port, container_id, cpu_cores, memory_mb, disk_gb";
        self.db.text(&format!("SELECT concat_ws(',', {columns}) FROM pods WHERE id = '{pod}'")).await
    }

    /// How many commands were begun for the pod.
    pub async fn commands(&self, pod: &str) -> String {
        self.db.text(&format!("SELECT count(*) FROM pod_logs WHERE pod_id = '{pod}'")).await
    }
}
