//! Proves on the host, with a container on a network like a pod's, that a pod is isolated by gVisor, that what it writes
//! survives stop and start (a gVisor with its default settings forgets all of it, and nothing else would tell), and that
//! it reaches neither the host nor private networks.

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
/// A gVisor that does not suit the kernel hangs rather than fails.
const STEP_TIMEOUT: Duration = Duration::from_mins(1);
/// The container ends by itself, should nobody be left to remove it.
const LIFETIME_SECONDS: &str = "600";

/// Prints those of the addresses $@ that the container is not kept from.
const REACHED: &str = r#"for address; do prohibited "$address" || printf '%s\n' "$address"; done"#;

/// Why there is no proof.
enum Unproven {
    /// It is proven to be otherwise.
    Otherwise(&'static str),
    /// The command that failed, and how.
    Failed(&'static str, String),
}

/// `floor_is_needed` says whether the worker makes no pod on a host that does not confine it.
pub async fn check(docker: &Docker, asked: &Asked<'_>, floor_is_needed: bool, section: &mut Section) {
    let image = DEFAULT_IMAGE;
    if asked.answer(&asked.docker(["image", "inspect", "--format", "{{.Id}}", image])).await.is_err() {
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
        // Also where the check was interrupted.
        let removed = asked.ask_unless(&remove, &CancellationToken::new()).await;
        if !removed.is_ok_and(|answer| answer.outcome.success()) {
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
                "register gVisor's own runsc with Docker as {RUNTIME}, with --overlay2=none; deploy/pod-host.sh does so \
                 on a Debian machine"
            ),
        ),
        Err(Unproven::Failed(what, reason)) => section.fail(
            format!("{what} a container with the runtime {RUNTIME} failed: {reason}"),
            "see Docker's own log on the host (`journalctl -u docker`)",
        ),
    }
    if !left.is_empty() {
        section.info(format!("what this proof has made may be left over; remove it with {}", left.join(" and ")));
    }
}

fn floor(reached: &[String], is_needed: bool, section: &mut Section) {
    if reached.is_empty() {
        section.pass("a container reaches neither the host nor private networks");
        return;
    }
    let what = format!("a container is not kept from {}, nor a pod", reached.join(", "));
    if is_needed {
        let advice = "run deploy/pod-host.sh there again: it puts up the floor of the pods' network. Until then no pod is \
            made there, unless ALLOW_UNCONFINED_PODS is true";
        section.fail(what, advice);
    } else {
        section.info(what + ", and ALLOW_UNCONFINED_PODS is true");
    }
}

/// The addresses that the container should be kept from, and is not.
async fn prove(asked: &Asked<'_>, image: &str, name: &str, id: &str) -> Result<Vec<String>, Unproven> {
    let step = async |what: &'static str, args: &[&str]| {
        let command = asked.docker([]).args(args.iter().copied()).timeout(STEP_TIMEOUT);
        asked.answer(&command).await.map_err(|reason| Unproven::Failed(what, reason))
    };
    let label = format!("{LABEL}={id}");
    let bridge = format!("com.docker.network.bridge.name={}", bridge_name(id));
    step("making a network for", &["network", "create", "--opt", &bridge, "--label", &label, name]).await?;
    let (run, limits) = (["run", "--detach", "--runtime", RUNTIME], ["--network", name, "--memory", "256m"]);
    let what = ["--name", name, "--label", &label, "--pull", "never", "--user", "0", "--entrypoint", "sleep", image];
    step("starting", &[&run[..], &limits, &what, &[LIFETIME_SECONDS]].concat()).await?;

    let kernel = asked.answer(&crate::remote::Command::new("uname").arg("-v")).await;
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
    if kept != id {
        return Err(Unproven::Otherwise("a file that a container writes is gone after stop and start"));
    }
    let format = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}";
    let gateway = step("looking at the network of", &["inspect", "--format", format, name]).await?;
    let script = format!("{PROHIBITED}\n{REACHED}");
    let look = ["exec", name, "bash", "-c", &script, "bash", &gateway, METADATA];
    let looked = step("looking at what is reached from", &look).await?;
    Ok(looked.lines().map(str::to_owned).collect())
}
