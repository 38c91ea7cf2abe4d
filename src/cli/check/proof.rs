//! Proves on the host, with a container on a network like a pod's, that gVisor isolates a pod, that what a pod writes
//! survives stop and start (gVisor with its default settings loses all of it, and nothing else would show it), and that
//! a pod reaches neither the host nor private networks.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{docker::Docker, question::Asked, section::Section};
use crate::{
    docker::{
        RUNTIME,
        names::bridge_name,
        network::{METADATA, PROHIBITED},
    },
    podspec::DEFAULT_IMAGE,
};

const LABEL: &str = "pinacle.check";
/// A gVisor that is incompatible with the kernel hangs instead of failing.
const STEP_TIMEOUT: Duration = Duration::from_mins(1);
/// The container ends by itself if nobody removes it.
const LIFETIME_SECONDS: &str = "600";

/// Prints those of the addresses $@ that the container can reach.
const REACHED: &str = r#"for address; do prohibited "$address" || printf '%s\n' "$address"; done"#;

/// Why there is no proof.
enum Unproven {
    /// The proof succeeded and shows the opposite.
    Otherwise(&'static str),
    /// The command that failed, and how.
    Failed(&'static str, String),
}

/// `floor_is_needed` says whether the worker refuses to make a pod on a host that does not confine it.
pub async fn check(docker: &Docker, asked: &Asked<'_>, floor_is_needed: bool, section: &mut Section) {
    let image = DEFAULT_IMAGE;
    if asked.ask_for_stdout(&asked.docker(["image", "inspect", "--format", "{{.Id}}", image])).await.is_err() {
        section.info(format!("the base image {image} is absent; the first pod fetches it, `docker pull` does so now"));
        section.info("that a pod's files survive stop and start is not proven: the base image is absent");
        return;
    }
    section.pass(format!("the base image {image} is present"));
    if !docker.knows_gvisor() {
        return;
    }
    let id = Uuid::new_v4().simple().to_string();
    let name = format!("pinacle-check-{id}");
    let proof = prove(asked, image, &name, &id).await;
    let mut left = Vec::new();
    for removal in [["container", "rm", "--force", "--volumes", &name].as_slice(), &["network", "rm", &name]] {
        let remove = asked.docker([]).args(removal.iter().copied()).timeout(STEP_TIMEOUT);
        // The container is removed even if the check was interrupted.
        let removed = asked.ask_unless(&remove, &CancellationToken::new()).await;
        if !removed.is_ok_and(|reply| reply.outcome.success()) {
            left.push(format!("`docker {}`", removal.join(" ")));
        }
    }
    match proof {
        Ok(reached) => {
            section.pass("a container runs in gVisor, and a file that it writes survives stop and start");
            floor(&reached, floor_is_needed, section);
        }
        Err(Unproven::Otherwise(what)) => section.fail(
            what,
            format!(
                "register gVisor's own runsc with Docker as {RUNTIME}, with --overlay2=none; deploy/pod-host.sh does \
                 so on a Debian machine"
            ),
        ),
        Err(Unproven::Failed(what, reason)) => section.fail(
            format!("{what} a container with the runtime {RUNTIME} failed: {reason}"),
            "see Docker's own log on the host (`journalctl -u docker`)",
        ),
    }
    if !left.is_empty() {
        section.info(format!("this proof may have left something behind; remove it with {}", left.join(" and ")));
    }
}

fn floor(reached: &[String], is_needed: bool, section: &mut Section) {
    if reached.is_empty() {
        section.pass("a container reaches neither the host nor private networks");
        return;
    }
    let what = format!("a container is not kept from {}, and neither is a pod", reached.join(", "));
    if is_needed {
        let advice = "run deploy/pod-host.sh there again: it sets up the floor of the pods' network. Until then no \
            pod is made there, unless ALLOW_UNCONFINED_PODS is true";
        section.fail(what, advice);
    } else {
        section.info(what + ", and ALLOW_UNCONFINED_PODS is true");
    }
}

/// Returns the addresses that the container can reach and should not.
async fn prove(asked: &Asked<'_>, image: &str, name: &str, id: &str) -> Result<Vec<String>, Unproven> {
    let step = async |what: &'static str, args: &[&str]| {
        let command = asked.docker([]).args(args.iter().copied()).timeout(STEP_TIMEOUT);
        asked.ask_for_stdout(&command).await.map_err(|reason| Unproven::Failed(what, reason))
    };
    let label = format!("{LABEL}={id}");
    let bridge = format!("com.docker.network.bridge.name={}", bridge_name(id));
    step("making a network for", &["network", "create", "--opt", &bridge, "--label", &label, name]).await?;
    let (run, limits) = (["run", "--detach", "--runtime", RUNTIME], ["--network", name, "--memory", "256m"]);
    let what = ["--name", name, "--label", &label, "--pull", "never", "--user", "0", "--entrypoint", "sleep", image];
    step("starting", &[&run[..], &limits, &what, &[LIFETIME_SECONDS]].concat()).await?;

    let kernel = asked.ask_for_stdout(&crate::remote::Command::new("uname").arg("-v")).await;
    let kernel = kernel.map_err(|reason| Unproven::Failed("comparing the kernel of", reason))?;
    if step("running a command in", &["exec", name, "uname", "-v"]).await? == kernel {
        return Err(Unproven::Otherwise(
            "a container runs on the host's own kernel, so the registered runtime is not gVisor",
        ));
    }
    step("writing a file in", &["exec", name, "sh", "-c", "echo \"$1\" >/pinacle-check", "sh", id]).await?;
    step("stopping", &["stop", "--time", "1", name]).await?;
    step("starting again", &["start", name]).await?;
    let kept = step("reading a file in", &["exec", name, "sh", "-c", "cat /pinacle-check || true"]).await?;
    if kept != id {
        return Err(Unproven::Otherwise("a file that a container writes is gone after stop and start"));
    }
    let format = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}";
    let gateway = step("inspecting the network of", &["inspect", "--format", format, name]).await?;
    let script = format!("{PROHIBITED}\n{REACHED}");
    let probe = ["exec", name, "bash", "-c", &script, "bash", &gateway, METADATA];
    let reached = step("testing what can be reached from", &probe).await?;
    Ok(reached.lines().map(str::to_owned).collect())
}
