//! Checks that Docker responds, that it has gVisor, and that the disk has room.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{question::Asked, section::Section};
use crate::{
    docker::{RUNTIME, quota::DiskQuota},
    remote::Command,
    store::servers::Server,
};

/// With less than this, there is no room for another image.
const MIN_FREE_GB: i64 = 5;
const KIB_PER_GB: i64 = 1024 * 1024;

/// The fields of `docker info` that matter here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Docker {
    runtimes: Map<String, Value>,
    driver: String,
    #[serde(rename = "DockerRootDir")]
    folder: String,
    #[serde(rename = "NCPU")]
    cpus: f32,
    /// In bytes.
    mem_total: i64,
}

impl Docker {
    pub fn knows_gvisor(&self) -> bool {
        self.runtimes.contains_key(RUNTIME)
    }
}

/// Returns what Docker reports about itself; `None` if it does not respond.
pub async fn check(server: &Server, asked: &mut Asked<'_>, section: &mut Section) -> Option<Docker> {
    asked.sudo = match asked.host.docker_needs_sudo().await {
        Ok(sudo) => sudo,
        Err(error) => {
            section.wrong(error.to_string());
            return None;
        }
    };
    let version = asked.ask_for_stdout(&asked.docker(["version", "--format", "{{.Server.Version}}"])).await;
    let info = match version {
        Ok(version) => {
            let how = if asked.sudo { " through sudo" } else { "" };
            section.pass(format!("Docker {version} responds{how}"));
            asked.ask_for_stdout(&asked.docker(["info", "--format", "{{json .}}"])).await
        }
        Err(reason) => Err(reason),
    };
    let docker = info.and_then(|info| serde_json::from_str::<Docker>(&info).map_err(|error| error.to_string()));
    let docker = match docker {
        Ok(docker) => docker,
        Err(reason) => {
            let user = if server.connection == "ssh" { &server.ssh_user } else { "the worker's user" };
            section.fail(
                format!("Docker does not respond: {reason}"),
                format!(
                    "install and start it, and let {user} run docker, directly or through sudo without a password; \
                     deploy/pod-host.sh sets up a Debian machine"
                ),
            );
            return None;
        }
    };
    if docker.knows_gvisor() {
        section.pass(format!("a runtime {RUNTIME} is registered with Docker"));
    } else {
        section.fail(
            format!("Docker has no runtime {RUNTIME}"),
            "install gVisor and register it with Docker; deploy/pod-host.sh does both on a Debian machine",
        );
    }
    promises(server, &docker, section);
    disk(&docker, asked, section).await;
    quotas(&docker, asked, section).await;
    Some(docker)
}

/// Reports a server whose row promises more than the host has.
fn promises(server: &Server, docker: &Docker, section: &mut Section) {
    let memory_mb = docker.mem_total / 1024 / 1024;
    if server.cpu_cores > docker.cpus || i64::from(server.memory_mb) > memory_mb {
        section.info(format!(
            "pods may use {} CPU and {} MB of memory, and the host has {} CPU and {memory_mb} MB",
            server.cpu_cores, server.memory_mb, docker.cpus
        ));
    }
}

async fn disk(docker: &Docker, asked: &Asked<'_>, section: &mut Section) {
    let dir = &docker.folder;
    let df = Command::new("df").args(["-Pk", dir]).sudo(asked.sudo);
    let space = asked.ask_for_stdout(&df).await.and_then(|table| parse_df(&table).ok_or(table));
    let (total, free) = match space {
        Ok(space) => space,
        Err(reason) => {
            section.info(format!("the disk space of {dir} is not known: {reason}"));
            return;
        }
    };
    let what = format!("{} GB of {} GB are free in Docker's folder {dir}", free / KIB_PER_GB, total / KIB_PER_GB);
    if free / KIB_PER_GB >= MIN_FREE_GB {
        section.pass(what);
    } else {
        section.fail(
            what,
            format!("free some space: at least {MIN_FREE_GB} GB is needed; `docker system df` shows what uses it"),
        );
    }
}

/// Total and free, in KiB, from the last line of `df -Pk`.
fn parse_df(table: &str) -> Option<(i64, i64)> {
    let mut fields = table.lines().last()?.split_whitespace().skip(1);
    let (total, free) = (fields.next()?, fields.nth(1)?);
    Some((total.parse().ok()?, free.parse().ok()?))
}

/// Only some file systems can limit the size of a container.
async fn quotas(docker: &Docker, asked: &Asked<'_>, section: &mut Section) {
    let find = ["--noheadings", "--output", "FSTYPE,OPTIONS", "--target", &docker.folder];
    let mount = asked.ask_for_stdout(&Command::new("findmnt").args(find).sudo(asked.sudo)).await.unwrap_or_default();
    let file_system = mount.split_whitespace().next().unwrap_or("an unknown file system");
    let driver = &docker.driver;
    section.info(match DiskQuota::of(driver, &mount) {
        DiskQuota::RootAndVolumes => format!("pods are limited to their tier's disk ({driver} on {file_system})"),
        DiskQuota::Root => format!("pods are limited to their tier's disk, except in /workspace and /root ({driver})"),
        DiskQuota::Nothing => format!(
            "disk quotas cannot be enforced ({driver} on {file_system}): a pod may use more disk than its tier has. \
             Use overlay2 on XFS mounted with pquota to enforce them"
        ),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn df_is_read_by_column() {
        let table = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 1000 300 700 30% /var/lib";
        assert_eq!(parse_df(table), Some((1000, 700)));
        assert_eq!(parse_df("df: x"), None);
    }
}
