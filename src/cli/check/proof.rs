//! Proves on the host that a pod is isolated by gVisor, and that what it writes survives stop and start: a gVisor with
//! its default settings forgets all of it, and nothing else would tell.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Section, docker::Docker, server::Asked};
use crate::{runtime::RUNTIME, spec::DEFAULT_IMAGE};

const LABEL: &str = "pinacle.check";
/// A gVisor that does not suit the kernel hangs rather than fails.
const STEP_TIMEOUT: Duration = Duration::from_mins(1);
/// The container ends by itself, should nobody be left to remove it.
const LIFETIME_SECONDS: &str = "600";

/// Why there is no proof.
enum Unproven {
    /// It is proven to be otherwise.
    Otherwise(&'static str),
    /// The command that failed, and how.
    Failed(&'static str, String),
}

pub async fn check(docker: &Docker, asked: &Asked<'_>, section: &mut Section) {
    let image = DEFAULT_IMAGE;
    if asked.answer(&asked.docker(["image", "inspect", "--format", "{{.Id}}", image])).await.is_err() {
        section.info(format!("the base image {image} is absent; the first pod fetches it, `docker pull` does so now"));
        section.info("that a pod's files survive stop and start is not proven: the base image is absent");
        return;
    }
    section.fit(format!("the base image {image} is present"));
    if !docker.knows_gvisor() {
        return;
    }
    let id = Uuid::new_v4().simple().to_string();
    let name = format!("pinacle-check-{id}");
    let proof = prove(asked, image, &name, &id).await;
    let remove = asked.docker(["container", "rm", "--force", "--volumes", &name]).timeout(STEP_TIMEOUT);
    // Also where the check was interrupted.
    let removed = asked.ask_unless(&remove, &CancellationToken::new()).await;
    match proof {
        Ok(()) => section.fit("a container runs in gVisor, and a file that it writes survives stop and start"),
        Err(Unproven::Otherwise(what)) => section.unfit(
            what,
            format!(
                "register gVisor's own runsc with Docker as {RUNTIME}, with --overlay2=none; deploy/pod-host.sh does so \
                 on a Debian machine"
            ),
        ),
        Err(Unproven::Failed(what, reason)) => section.unfit(
            format!("{what} a container with the runtime {RUNTIME} failed: {reason}"),
            "see Docker's own log on the host (`journalctl -u docker`)",
        ),
    }
    if !removed.is_ok_and(|answer| answer.outcome.success()) {
        section.info(format!("the container of this proof is left over; remove it with `docker rm -f {name}`"));
    }
}

async fn prove(asked: &Asked<'_>, image: &str, name: &str, id: &str) -> Result<(), Unproven> {
    let step = async |what: &'static str, args: &[&str]| {
        let command = asked.docker([]).args(args.iter().copied()).timeout(STEP_TIMEOUT);
        asked.answer(&command).await.map_err(|reason| Unproven::Failed(what, reason))
    };
    let label = format!("{LABEL}={id}");
    let (run, limits) = (["run", "--detach", "--runtime", RUNTIME], ["--network", "none", "--memory", "256m"]);
    let what = ["--name", name, "--label", &label, "--pull", "never", "--user", "0", "--entrypoint", "sleep", image];
    step("starting", &[&run[..], &limits, &what, &[LIFETIME_SECONDS]].concat()).await?;

    let kernel = asked.answer(&crate::host::Command::new("uname").arg("-v")).await;
    let kernel = kernel.map_err(|reason| Unproven::Failed("comparing the kernel of", reason))?;
    if step("running a command in", &["exec", name, "uname", "-v"]).await? == kernel {
        return Err(Unproven::Otherwise(
            "a container runs on the host's own kernel, so what is registered is no gVisor",
        ));
    }
    step("writing a file in", &["exec", name, "sh", "-c", "echo \"$1\" >/pinacle-check", "sh", id]).await?;
    step("stopping", &["stop", "--time", "1", name]).await?;
    step("starting again", &["start", name]).await?;
    let kept = step("reading a file in", &["exec", name, "sh", "-c", "cat /pinacle-check || true"]).await?;
    if kept == id {
        Ok(())
    } else {
        Err(Unproven::Otherwise("a file that a container writes is gone after stop and start"))
    }
}
