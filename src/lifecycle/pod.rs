//! What the steps of one execution work on: the pod as it was asked for, and the site it is on.

use std::sync::{Arc, OnceLock};

use secrecy::ExposeSecret;
use sqlx::PgPool;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::{StepError, steps};
use crate::{
    host::{HostDirectory, LeaseClock, Recorder, redact::Redactor},
    network::{NetworkManager, SubnetPool},
    runtime::{ContainerRuntime, Inside},
    spec::{Catalog, PodSpec, text::env_name},
    store::{
        Fence,
        pods::{self, Pod},
        secrets::PodSecret,
        servers::{self, Server},
    },
};

/// What every execution of a process shares.
#[derive(Clone)]
pub struct Tools {
    pub db: PgPool,
    pub hosts: Arc<HostDirectory>,
    pub catalog: Arc<Catalog>,
    pub subnets: SubnetPool,
    /// Whose the things on the hosts are, where several installations share one.
    pub installation: Arc<str>,
    pub lease: LeaseClock,
}

/// The pod of one execution.
pub struct PodAtWork {
    pub tools: Tools,
    pub fence: Fence,
    pub cancel: CancellationToken,
    pub pod: Pod,
    pub spec: PodSpec,
    pub secrets: Vec<PodSecret>,
    pub redactor: Redactor,
    site: OnceCell<Site>,
    project: OnceCell<PodSpec>,
    inside: OnceLock<Inside>,
}

/// Where the pod is, and the managers that work there.
pub struct Site {
    pub server: Server,
    pub runtime: ContainerRuntime,
    pub network: NetworkManager,
}

impl PodAtWork {
    pub fn new(
        tools: Tools,
        fence: Fence,
        cancel: CancellationToken,
        pod: Pod,
        spec: PodSpec,
        secrets: Vec<PodSecret>,
    ) -> Self {
        let hidden = secrets.iter().map(|secret| secret.value.expose_secret().to_owned()).chain(spec.secrets());
        let redactor = Redactor::new(hidden);
        let (site, project, inside) = (OnceCell::new(), OnceCell::new(), OnceLock::new());
        Self { tools, fence, cancel, pod, spec, secrets, redactor, site, project, inside }
    }

    pub fn db(&self) -> &PgPool {
        &self.tools.db
    }

    /// The spec with what the repository's own `pinacle.yaml` fills in: read once, when the pod runs and the repository
    /// is there.
    ///
    /// # Errors
    /// The file is not what it should be, or can't be read now.
    pub async fn project(&self) -> Result<&PodSpec, StepError> {
        self.project.get_or_try_init(|| steps::project(self)).await
    }

    /// What was written down inside the pod when this execution found it.
    pub fn inside(&self) -> &Inside {
        self.inside.get_or_init(Inside::default)
    }

    pub(super) fn look_inside(&self, inside: Inside) {
        drop(self.inside.set(inside));
    }

    /// Whether the pod has a secret variable of this name.
    pub fn has_secret(&self, name: &str) -> bool {
        self.secrets.iter().any(|secret| secret.kind == "env" && secret.name == name)
    }

    /// That each secret of the pod's environment can be a variable.
    ///
    /// # Errors
    /// The first whose name is none.
    pub fn check_secrets(&self) -> Result<(), String> {
        let mut names = self.secrets.iter().filter(|secret| secret.kind == "env").map(|secret| &secret.name);
        names.try_for_each(|name| env_name(name)).map_err(|reason| format!("pod_secrets.name: {reason}"))
    }

    /// The pod's site, looked up once: it does not change while a job runs.
    ///
    /// # Errors
    /// The pod has no server, or its server can't be reached.
    pub async fn site(&self) -> Result<&Site, StepError> {
        match self.site_if_placed().await? {
            Some(site) => Ok(site),
            None => Err(StepError::fail("the pod has no server yet; a create would give it one")),
        }
    }

    /// `None` where the pod was never given a server: nothing of it can be on a host.
    ///
    /// # Errors
    /// The pod's server can't be reached.
    pub async fn site_if_placed(&self) -> Result<Option<&Site>, StepError> {
        if let Some(site) = self.site.get() {
            return Ok(Some(site));
        }
        let Some(pod) = pods::get(self.db(), &self.fence.pod_id).await? else { return Ok(None) };
        let Some(server_id) = &pod.server_id else { return Ok(None) };
        let Some(server) = servers::get(self.db(), server_id).await? else { return Ok(None) };
        let site = self.site_on(server).await?;
        Ok(Some(self.site.get_or_init(|| async { site }).await))
    }

    /// The pod's external port.
    ///
    /// # Errors
    /// The pod holds none.
    pub async fn port(&self) -> Result<i32, StepError> {
        self.port_if_held()
            .await?
            .ok_or_else(|| StepError::fail("the pod holds no port yet; a create would give it one"))
    }

    /// Whether the pod ever got as far as its port: before that, nothing of it is made on a host.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn holds_port(&self) -> Result<bool, StepError> {
        Ok(self.port_if_held().await?.is_some())
    }

    async fn port_if_held(&self) -> Result<Option<i32>, StepError> {
        let pod = pods::get(self.db(), &self.fence.pod_id).await?;
        Ok(pod.and_then(|pod| pod.proxy_port))
    }

    async fn site_on(&self, server: Server) -> Result<Site, StepError> {
        let host = self.tools.hosts.get(&server)?;
        let sudo = host.docker_needs_sudo().await?;
        let recorder = Recorder {
            db: self.db().clone(),
            host,
            fence: self.fence.clone(),
            lease: self.tools.lease.clone(),
            redactor: self.redactor.clone(),
            cancel: self.cancel.clone(),
        };
        let (pod_id, installation) = (&self.fence.pod_id, &self.tools.installation);
        Ok(Site {
            server,
            runtime: ContainerRuntime::new(recorder.clone(), sudo, pod_id, installation),
            network: NetworkManager::new(recorder, sudo, pod_id, installation, self.tools.subnets),
        })
    }
}
