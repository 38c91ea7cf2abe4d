//! What a user sets for their own programs, and what becomes of ours with it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use crate::support::{
    PodHost, TestDb, Worker,
    host::{fetch, sh},
    web::Socket,
};

#[tokio::test]
async fn a_users_variables_are_for_their_programs_and_lead_no_service_astray() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let config = json!({
        "services": ["code-server", "web-terminal"],
        // A program on localhost that a proxy elsewhere would answer for, with words of its own.
        "environment": {
            "PORT": "3000", "HOST": "0.0.0.0", "NODE_OPTIONS": "--require /nowhere.js", "http_proxy": "http://127.0.0.1:3999",
            "HTTPS_PROXY": "http://127.0.0.1:3999", "ALL_PROXY": "http://127.0.0.1:3999", "CODE_SERVER_CONFIG": "/nowhere/x.yaml",
            "name": "x", "UID": "1234",
        },
        "install": [
            "python3 -m venv .venv && echo 'export INSTALLED=yes' >>~/.bashrc",
            "source .venv/bin/activate && [[ $VIRTUAL_ENV == /workspace/.venv && $INSTALLED == yes ]]",
        ],
        "processes": [{
            "name": "web",
            "startCommand": "source .venv/bin/activate && [[ $INSTALLED ]] && python3 -m http.server --directory /usr/share/pinacle $PORT",
            "healthCheck": "[[ $PORT == 3000 ]] && curl -fsS http://localhost:$PORT/ && curl -fsS http://127.0.0.1:$PORT/",
        }],
        "hooks": { "postStart": ["diff <(echo \"$HOST $PORT\") <(echo 0.0.0.0 3000)"] },
    });
    let pod = db.pod("astray", &config).await;
    db.done(&pod, "create").await;
    let port = db.proxy_port(&pod).await;
    assert_eq!(fetch(&port, "localhost-8726.pod-astray.localhost", "/healthz").1, "200");
    assert_eq!(fetch(&port, "pod-astray.localhost", "/silence.html").1, "200");
    terminals_come_back(&db, &pod, &port).await;
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

/// Two pages that come back as fast as they can while the pod restarts find the one tmux server, which is the init's.
async fn terminals_come_back(db: &TestDb, pod: &str, port: &str) {
    let over = Arc::new(AtomicBool::new(false));
    let tabs: Vec<_> = (0..2)
        .map(|_| {
            let (over, port) = (Arc::clone(&over), port.to_owned());
            tokio::spawn(async move {
                let mut opened = 0;
                while !over.load(Ordering::Relaxed) {
                    let host = "localhost-7681.pod-astray.localhost";
                    if let Ok(mut tab) = Socket::try_open(&port, host, "/ws", "tty", None).await {
                        opened += 1;
                        drop(tab.try_send(r#"{"AuthToken":"","columns":80,"rows":24}"#).await);
                        tab.until_closed(Duration::from_millis(200)).await;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                opened
            })
        })
        .collect();
    db.done(pod, "restart").await;
    over.store(true, Ordering::Relaxed);
    for tab in tabs {
        assert!(tab.await.unwrap() > 0);
    }
    let inside = |script: &str| sh(&format!("docker exec pinacle-pod-{pod} sh -c '{script}'"));
    let supervised = inside("s6-svstat -o pid /etc/s6/tmux");
    assert_eq!(inside("tmux -N display-message -p \"#{pid}\""), supervised, "{}", inside("ps -ef"));
    assert_eq!(inside("tmux -N has-session -t =process-web && echo there"), "there");
    // A server of somebody's own in the way of the init's is ended, and not for ever in its way.
    inside("s6-svc -wD -d /etc/s6/tmux && tmux new-session -d -s mine && s6-svc -wu -u /etc/s6/tmux");
    inside(
        "until [ \"$(tmux -N display-message -p \"#{pid}\")\" = \"$(s6-svstat -o pid /etc/s6/tmux)\" ]; do sleep 0.1; done",
    );
}
