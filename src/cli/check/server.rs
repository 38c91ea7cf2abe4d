//! Checks that a server can be reached and that pods can run there.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{
    docker, proof,
    question::{Asked, QUESTION_TIMEOUT},
    section::Section,
};
use crate::{
    cli::commands::servers::address,
    docker::network::{self, parse_listening_ports},
    fleet::HostDirectory,
    model::PORTS,
    remote::{Command, ConnectionError, Host},
    store::servers::Server,
};

pub async fn check(
    server: &Server,
    hosts: &HostDirectory,
    floor_is_needed: bool,
    cancel: &CancellationToken,
) -> Section {
    let mut section = Section::new(format!("Server {} ({}, {})", server.name, address(server), server.status));
    if server.status == "offline" {
        section.info("it is offline and was not checked");
        return section;
    }
    match reach(server, hosts).await {
        Ok(host) => {
            let how = if server.connection == "ssh" {
                "commands run over SSH, and the host key is the pinned one"
            } else {
                "commands run"
            };
            section.pass(how);
            let mut asked = Asked { host, sudo: false, cancel };
            if let Some(docker) = docker::check(server, &mut asked, &mut section).await {
                proof::check(&docker, &asked, floor_is_needed, &mut section).await;
            }
            way_out(&asked, &mut section).await;
            ports(&asked, &mut section).await;
        }
        Err(error) => section.wrong(error.to_string()),
    }
    section
}

async fn reach(server: &Server, hosts: &HostDirectory) -> Result<Arc<Host>, ConnectionError> {
    let host = hosts.get(server)?;
    host.connection.test_connection().await?;
    Ok(host)
}

/// A packet that exceeds the MTU is often lost without an error.
async fn way_out(asked: &Asked<'_>, section: &mut Section) {
    match asked.ask_for_stdout(&network::way_out().timeout(QUESTION_TIMEOUT)).await {
        Ok(stdout) => {
            if let Some(mtu) = network::unusual_mtu(&stdout) {
                section.info(format!(
                    "its interface to the Internet has an MTU of {mtu}; new pods' networks get the same"
                ));
            }
        }
        Err(reason) => section.info(format!(
            "the MTU of its interface to the Internet is not known ({reason}); new pods' networks get Docker's 1500"
        )),
    }
}

async fn ports(asked: &Asked<'_>, section: &mut Section) {
    let tables = Command::new("cat").args(["/proc/net/tcp", "/proc/net/tcp6"]).timeout(QUESTION_TIMEOUT);
    // Without IPv6 there is no second table: cat prints the first one and fails.
    let tables = match asked.ask(&tables).await {
        Ok(reply) if reply.stdout.is_empty() => reply.success(),
        Ok(reply) => Ok(reply.stdout),
        Err(error) => Err(error.to_string()),
    };
    let taken = match tables {
        Ok(tables) => parse_listening_ports(&tables),
        Err(reason) => {
            section.fail(format!("its ports are not known: {reason}"), "check that /proc is mounted there");
            return;
        }
    };
    let free = PORTS.filter(|port| !taken.contains(port)).count();
    let what = format!("{free} of the {} ports from {} to {} are free", PORTS.count(), PORTS.start(), PORTS.end());
    if free > 0 {
        section.pass(what);
    } else {
        section.fail(what, "stop the programs that listen there, or add another server");
    }
}
