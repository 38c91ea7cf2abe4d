//! A pod's life on a real host: what is made, how it is confined, what stays and what goes.

use serde_json::json;

use crate::support::{
    PodHost, TestDb, Worker, eventually,
    host::{fetch, inspect, sh},
    turn,
};

/// A page to fetch from a pod.
fn web_server() -> serde_json::Value {
    json!({ "processes": [{
        "name": "web",
        "startCommand": "mkdir -p site && echo 'hello from the pod' > site/index.html && exec busybox httpd -f -p 3000 -h site",
        "healthCheck": "curl -fsS http://localhost:3000/",
    }] })
}

async fn live_through_it_all(db: &TestDb, host: &PodHost) {
    let _worker = Worker::start(db).await;
    let pod = db.pod("whole-life", &web_server()).await;
    db.done(&pod, "create").await;
    assert_eq!(db.pod_status(&pod).await, "running");
    let fact = async |column: &str| db.text(&format!("SELECT {column} FROM pods WHERE id = '{pod}'")).await;
    let port = fact("proxy_port").await;
    assert_eq!(fact("public_url").await, format!("http://pod-whole-life.localhost:{port}"));
    assert_eq!(fact("container_id").await, inspect(&pod)["Id"]);
    assert_eq!(fact("internal_ip").await, own_network(&pod)["IPAddress"]);
    let page = || fetch(&port, "localhost-3000.pod-whole-life.localhost", "/");
    assert_eq!(page(), ("hello from the pod\n".to_owned(), "200".to_owned()));

    // A second create looks, finds all in place and succeeds.
    let container = fact("container_id").await;
    let again = db.job(&pod, "create").await;
    assert_eq!(db.end_of(&again).await.status, "succeeded");
    let acted = format!(
        "SELECT string_agg(name, ' ' ORDER BY position) FROM pod_job_steps
         WHERE job_id = '{again}' AND status <> 'skipped' AND name NOT IN ('proxy', 'health')"
    );
    assert_eq!(db.text(&acted).await, "");
    assert_eq!(fact("container_id").await, container);

    // A stop keeps container, volumes, network and port; a second stop does no harm.
    sh(&format!("docker exec pinacle-pod-{pod} sh -c 'echo kept >/root/in-root; echo kept >/workspace/in-volume'"));
    db.done(&pod, "stop").await;
    db.done(&pod, "stop").await;
    assert_eq!(db.pod_status(&pod).await, "stopped");
    assert_eq!(inspect(&pod)["State"]["Running"], false);
    assert_eq!(fact("proxy_port").await, port);
    assert_eq!(fact("container_id").await, container);
    assert_eq!(fact("internal_ip").await, "");

    // A start brings back the files anywhere in the pod, the processes, and the same address.
    for kind in ["start", "restart"] {
        db.done(&pod, kind).await;
        assert_eq!(db.pod_status(&pod).await, "running");
        assert_eq!(page().0, "hello from the pod\n");
        let files = sh(&format!("docker exec pinacle-pod-{pod} cat /root/in-root /workspace/in-volume"));
        assert_eq!(files, "kept\nkept", "after {kind}");
        assert_eq!(fact("container_id").await, container);
    }

    db.done(&pod, "destroy").await;
    assert_eq!(db.pod_status(&pod).await, "terminated");
    let held = fact("concat_ws(',', container_id, internal_ip, public_url, proxy_port)").await;
    assert_eq!(held, "", "a destroyed pod holds nothing");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}

fn own_network(pod: &str) -> serde_json::Value {
    inspect(pod)["NetworkSettings"]["Networks"][format!("pinacle-pod-{pod}")].clone()
}

#[tokio::test]
async fn a_pod_lives_and_dies_over_ssh() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    live_through_it_all(&db, &host).await;
}

#[tokio::test]
async fn a_pod_lives_and_dies_on_the_workers_own_machine() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_local_to(&db).await;
    live_through_it_all(&db, &host).await;
}

#[tokio::test]
async fn a_pod_is_confined_to_its_tier_and_its_own_network() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let (one, two) = (db.pod("one", &web_server()).await, db.pod("two", &json!({ "tier": "dev.medium" })).await);
    db.done(&one, "create").await;
    db.done(&two, "create").await;

    let container = inspect(&one);
    let limits = &container["HostConfig"];
    assert_eq!(limits["Runtime"], "runsc");
    assert_eq!((&limits["Memory"], &limits["MemorySwap"]), (&json!(1_073_741_824), &json!(1_073_741_824)));
    assert_eq!(limits["NanoCpus"], 500_000_000);
    assert_eq!(limits["PidsLimit"], 4096);
    let mtu = sh("cat /sys/class/net/$(ip -4 route show default | sed -n '1s/.* dev \\([^ ]*\\).*/\\1/p')/mtu");
    let interface = sh(&format!("docker exec pinacle-pod-{one} busybox ifconfig eth0"));
    assert!(interface.contains(&format!("MTU:{mtu} ")), "as the host's way out, {mtu}: {interface}");
    assert_eq!(limits["ShmSize"], limits["Memory"], "/dev/shm is bounded by the pod's memory");
    assert_eq!(limits["RestartPolicy"]["Name"], "unless-stopped");
    assert_eq!(limits["CapDrop"], json!(["ALL"]));
    assert_eq!(limits["LogConfig"]["Config"], json!({ "max-size": "10m", "max-file": "3" }));
    assert_eq!(container["Config"]["Labels"]["pinacle.pod"], one);
    let port = db.proxy_port(&one).await;
    assert_eq!(limits["PortBindings"], json!({ "80/tcp": [{ "HostIp": turn::address(), "HostPort": port }] }));
    let mounts = container["Mounts"].as_array().unwrap().iter();
    let mut mounts: Vec<_> = mounts.map(|mount| (mount["Destination"].as_str(), mount["Name"].clone())).collect();
    mounts.sort_by_key(|mount| mount.0);
    let expected = [("/root", format!("pinacle-home-{one}")), ("/workspace", format!("pinacle-pod-{one}"))];
    assert_eq!(mounts, expected.map(|(place, volume)| (Some(place), json!(volume))), "nothing of the host is mounted");
    assert_eq!(inspect(&two)["HostConfig"]["Memory"], 2_147_483_648_i64);

    // docker inspect shows the pod's own network and no other.
    let networks: Vec<_> = container["NetworkSettings"]["Networks"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(networks, [format!("pinacle-pod-{one}")]);
    let bridge = sh(&format!(
        "docker network inspect pinacle-pod-{one} -f '{{{{index .Options \"com.docker.network.bridge.name\"}}}}'"
    ));
    assert!(bridge.starts_with("br-") && bridge.len() == 15, "{bridge}");

    // One pod reaches itself and not the other.
    let address = own_network(&one)["IPAddress"].as_str().unwrap().to_owned();
    let knock = |pod: &str| {
        let curl = format!(
            "curl -s -o /dev/null -m 3 -H 'Host: proxy.invalid' http://{address}/ && echo reached || echo cut off"
        );
        sh(&format!("docker exec pinacle-pod-{pod} sh -c \"{curl}\""))
    };
    assert_eq!(knock(&one), "reached");
    assert_eq!(knock(&two), "cut off");

    // More memory than the tier has: the kernel kills the pod's sandbox, and Docker starts it again. The larger tier has
    // that much.
    let greedy = |pod: &str| {
        let exec = format!("docker exec pinacle-pod-{pod} dd if=/dev/zero of=/dev/null bs=1400M count=1");
        sh(&format!("timeout 60 {exec} >/dev/null 2>&1; echo $?"))
    };
    assert_ne!(greedy(&one), "0");
    eventually("a pod that was killed for its memory", async || {
        (inspect(&one)["State"]["OOMKilled"] == true && inspect(&one)["RestartCount"] == 1).then_some(())
    })
    .await;
    assert_eq!(greedy(&two), "0");

    for pod in [&one, &two] {
        db.done(pod, "destroy").await;
    }
    host.assert_as_before();
}

#[tokio::test]
async fn a_destroy_takes_what_is_the_pods_and_nothing_of_a_pod_whose_name_begins_alike() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    for id in ["pod_a", "pod_a1"] {
        db.execute(&format!("INSERT INTO pods (id, name, slug) VALUES ('{id}', '{id}', replace('{id}', '_', '-'))"))
            .await;
        db.done(id, "create").await;
    }
    // Somebody has removed the container and renamed nothing: the rest still goes.
    sh("docker rm -f pinacle-pod-pod_a");
    db.done("pod_a", "destroy").await;
    assert_eq!(inspect("pod_a1")["State"]["Running"], true);
    assert_eq!(sh("docker volume ls -q --filter label=pinacle.pod=pod_a"), "");
    db.done("pod_a1", "destroy").await;
    host.assert_as_before();
}

#[tokio::test]
async fn a_stopped_pod_keeps_its_port_and_a_foreign_programs_port_is_not_given_away() {
    let (host, db) = (PodHost::turn().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let foreign = std::net::TcpListener::bind("127.0.0.1:30001").unwrap();
    let mut ports = Vec::new();
    let mut pods = Vec::new();
    for slug in ["first", "second"] {
        let pod = db.pod(slug, &json!({})).await;
        db.done(&pod, "create").await;
        db.done(&pod, "stop").await;
        ports.push(db.proxy_port(&pod).await);
        pods.push(pod);
    }
    assert_eq!(ports, ["30000", "30002"]);
    for pod in &pods {
        db.done(pod, "start").await;
        db.done(pod, "destroy").await;
    }
    drop(foreign);
    host.assert_as_before();
}

#[tokio::test]
async fn a_pod_that_lost_its_container_or_network_is_mended_by_a_start() {
    let (host, db) = (PodHost::in_lane().await, TestDb::new().await);
    host.add_to(&db).await;
    let _worker = Worker::start(&db).await;
    let pod = db.pod("mended", &web_server()).await;
    db.done(&pod, "create").await;
    sh(&format!("docker exec pinacle-pod-{pod} sh -c 'echo kept >/workspace/file'"));
    sh(&format!("docker rm -f pinacle-pod-{pod} && docker network rm pinacle-pod-{pod}"));
    db.done(&pod, "start").await;
    assert_eq!(sh(&format!("docker exec pinacle-pod-{pod} cat /workspace/file")), "kept");
    let port = db.proxy_port(&pod).await;
    assert_eq!(fetch(&port, "pod-mended.localhost", "/").0, "hello from the pod\n");
    db.done(&pod, "destroy").await;
    host.assert_as_before();
}
