//! What the steps of one execution work on: the pod, what is wanted of it, and the host that it is on.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use secrecy::ExposeSecret;
use sqlx::PgPool;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::StepError;
use crate::{
    docker::{ContainerRuntime, NetworkManager, SubnetPool},
    fleet::HostDirectory,
    guest::Inside,
    model::{Fence, JobLimits, LeaseClock, Reservation},
    podspec::{Catalog, PodSpec, ProjectSpec, text::env_name},
    secrets::{Keyring, PodSecret},
    store::{
        pods::Pod,
        servers::{self, Server},
        steps::Progress,
    },
    transcript::{LogBudget, Recorder, redact::Redactor},
};

/// What every execution of a process shares.
#[derive(Clone)]
pub struct Environment {
    pub db: PgPool,
    pub hosts: Arc<HostDirectory>,
    pub catalog: Arc<Catalog>,
    pub keys: Arc<Keyring>,
    pub subnets: SubnetPool,
    /// The id of this installation, which is on all that it makes: several may share a host.
    pub installation: Arc<str>,
    pub lease: LeaseClock,
    pub limits: JobLimits,
    /// How much of what a job's commands print is stored, in MiB.
    pub log_budget_mb: u32,
    /// Whether pods may run on a host that does not confine their network.
    pub allow_unconfined_pods: bool,
}

/// The pod of one execution.
pub struct StepContext {
    pub environment: Environment,
    pub fence: Fence,
    pub cancel: CancellationToken,
    pub pod: Pod,
    pub spec: PodSpec,
    pub secrets: Vec<PodSecret>,
    /// Whether the secrets were read. Without them nothing is run in the pod: its output could not be redacted.
    pub knows_secrets: bool,
    pub redactor: Redactor,
    pub progress: Arc<Progress>,
    pub log_budget: Arc<LogBudget>,
    place: Mutex<Place>,
    pod_host: OnceCell<PodHost>,
    project: OnceCell<ProjectSpec>,
    inside: OnceLock<Inside>,
    unsaid: Mutex<Vec<String>>,
}

/// What the pod holds of its server. While a job runs, only its execution changes that.
#[derive(Debug, Clone, Default)]
struct Place {
    server_id: Option<String>,
    port: Option<i32>,
    reserved: Option<Reservation>,
}

/// Where the pod is, and the managers that work there.
pub struct PodHost {
    pub server: Server,
    pub runtime: ContainerRuntime,
    pub network: NetworkManager,
}

impl StepContext {
    /// `attempt` is the job's.
    pub fn new(
        environment: Environment,
        fence: Fence,
        cancel: CancellationToken,
        attempt: i32,
        pod: Pod,
        spec: PodSpec,
        secrets: Option<Vec<PodSecret>>,
    ) -> Self {
        let (knows_secrets, secrets) = (secrets.is_some(), secrets.unwrap_or_default());
        let hidden = secrets.iter().map(|secret| secret.value.expose_secret().to_owned()).chain(spec.secrets());
        let redactor = Redactor::new(hidden);
        let place = Place { server_id: pod.server_id.clone(), port: pod.proxy_port, reserved: pod.reserved() };
        let place = Mutex::new(place);
        let progress = Arc::new(Progress::new(attempt));
        let log_budget = Arc::new(LogBudget::new(environment.log_budget_mb));
        let (pod_host, project, inside, unsaid) = (OnceCell::new(), OnceCell::new(), OnceLock::new(), Mutex::default());
        Self {
            environment,
            fence,
            cancel,
            pod,
            spec,
            secrets,
            knows_secrets,
            redactor,
            progress,
            log_budget,
            place,
            pod_host,
            project,
            inside,
            unsaid,
        }
    }

    /// The same context, whose commands are cancelled by another token.
    #[must_use]
    pub fn with_cancel(self, cancel: CancellationToken) -> Self {
        Self { cancel, pod_host: OnceCell::new(), ..self }
    }

    fn with_place<T>(&self, act: impl FnOnce(&mut Place) -> T) -> T {
        act(&mut self.place.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records the pod's server, or that it has none any more.
    pub fn is_on(&self, server_id: Option<String>) {
        self.with_place(|place| place.server_id = server_id);
    }

    /// Records what the pod has reserved on its server, or that it has nothing any more.
    pub fn has_reserved(&self, reservation: Option<Reservation>) {
        self.with_place(|place| place.reserved = reservation);
    }

    /// What the pod has reserved on its server.
    pub fn reserved(&self) -> Option<Reservation> {
        self.with_place(|place| place.reserved)
    }

    /// Records the pod's port, or that it has none any more.
    pub fn holds(&self, port: Option<i32>) {
        self.with_place(|place| place.port = port);
    }

    pub fn db(&self) -> &PgPool {
        &self.environment.db
    }

    /// The project with what the repository's own file fills in, where it was read; [`project`](super::project::project)
    /// reads it.
    pub(super) fn known_project(&self) -> &OnceCell<ProjectSpec> {
        &self.project
    }

    /// The folder in the pod that commands run in.
    pub fn project_dir(&self) -> String {
        self.spec.machine.project_dir()
    }

    /// What was installed and written down inside the pod when this execution began.
    pub fn inside(&self) -> &Inside {
        self.inside.get_or_init(Inside::default)
    }

    pub(super) fn look_inside(&self, inside: Inside) {
        drop(self.inside.set(inside));
    }

    /// The notices of the job that are not in the user's log yet.
    pub(super) fn unsaid(&self) -> MutexGuard<'_, Vec<String>> {
        self.unsaid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the pod has a secret variable of this name.
    pub fn has_secret(&self, name: &str) -> bool {
        self.secrets.iter().any(|secret| secret.kind == "env" && secret.name == name)
    }

    /// Checks that each secret of the pod's environment can be a variable.
    ///
    /// # Errors
    /// The first whose name can't be a variable's.
    pub fn check_secrets(&self) -> Result<(), String> {
        let mut names = self.secrets.iter().filter(|secret| secret.kind == "env").map(|secret| &secret.name);
        names.try_for_each(|name| env_name(name)).map_err(|reason| format!("pod_secrets.name: {reason}"))
    }

    /// The pod's host, looked up once: it does not change while a job runs.
    ///
    /// # Errors
    /// The pod has no server, or its server can't be reached.
    pub async fn pod_host(&self) -> Result<&PodHost, StepError> {
        match self.pod_host_if_placed().await? {
            Some(pod_host) => Ok(pod_host),
            None => Err(StepError::fail("the pod has no server yet; a create would give it one")),
        }
    }

    /// `None` where the pod was never given a server: nothing of it can be on a host.
    ///
    /// # Errors
    /// The pod's server can't be reached.
    pub async fn pod_host_if_placed(&self) -> Result<Option<&PodHost>, StepError> {
        if let Some(pod_host) = self.pod_host.get() {
            return Ok(Some(pod_host));
        }
        let Some(server_id) = self.with_place(|place| place.server_id.clone()) else { return Ok(None) };
        // The host may have to be dialled first.
        self.progress.write(self.db(), &self.fence).await?;
        let Some(server) = servers::get(self.db(), &server_id).await? else { return Ok(None) };
        let pod_host = self.pod_host_on(server).await?;
        Ok(Some(self.pod_host.get_or_init(|| async { pod_host }).await))
    }

    /// The pod's external port.
    ///
    /// # Errors
    /// The pod has no port yet.
    pub fn port(&self) -> Result<i32, StepError> {
        self.with_place(|place| place.port)
            .ok_or_else(|| StepError::fail("the pod holds no port yet; a create would give it one"))
    }

    /// The pod's own hostname, without a port's.
    ///
    /// # Errors
    /// The pod has no server, or its server can't be reached.
    pub async fn host_name(&self) -> Result<String, StepError> {
        Ok(format!("pod-{}.{}", self.pod.slug, self.pod_host().await?.server.domain).to_ascii_lowercase())
    }

    /// Where a browser finds the pod's port 3000.
    ///
    /// # Errors
    /// The pod has no server or no port, or its server can't be reached.
    pub async fn public_url(&self) -> Result<String, StepError> {
        Ok(format!("http://{}:{}", self.host_name().await?, self.port()?))
    }

    /// Whether the pod has a port: before that, nothing of it is made on a host.
    pub fn holds_port(&self) -> bool {
        self.with_place(|place| place.port.is_some())
    }

    async fn pod_host_on(&self, server: Server) -> Result<PodHost, StepError> {
        let host = self.environment.hosts.get(&server)?;
        let sudo = host.docker_needs_sudo().await?;
        let recorder = Recorder {
            db: self.db().clone(),
            host,
            fence: self.fence.clone(),
            lease: self.environment.lease.clone(),
            redactor: self.redactor.clone(),
            progress: Arc::clone(&self.progress),
            budget: Arc::clone(&self.log_budget),
            cancel: self.cancel.clone(),
        };
        let (pod_id, installation) = (&self.fence.pod_id, &self.environment.installation);
        Ok(PodHost {
            server,
            runtime: ContainerRuntime::new(recorder.clone(), sudo, pod_id, installation),
            network: NetworkManager::new(recorder, sudo, pod_id, installation, self.environment.subnets),
        })
    }
}
