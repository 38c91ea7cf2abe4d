//! However a command is ended, it is gone from the host, with all that it started.

use std::{sync::Arc, time::Duration};

use pinacle_worker::remote::{Host, Outcome};

use crate::{
    host::exec::{Marked, exec, over_both, start, timed},
    support::eventually,
};

over_both!(
    a_time_limit_ends_all_of_it,
    a_time_limit_below_a_second_is_one,
    what_ignores_sigterm_is_killed,
    a_child_that_ignores_sigterm_is_killed_too,
    cancelling_ends_all_of_it,
    cancelling_what_leaves_with_zero_is_no_success,
    cancelling_before_it_began_runs_nothing,
    dropping_it_ends_all_of_it,
    dropping_many_leaves_room_for_others,
    output_up_to_the_end_is_there
);

/// A command with a child and a grandchild that all wait.
const FAMILY: &str = "sh -c 'sleep 600; :' & (sleep 600; :) & echo ready; wait";
/// They ignore a polite request.
const STUBBORN: &str = "trap '' TERM; sh -c 'sleep 600; :' & echo ready; sleep 600; sleep 600";

async fn a_time_limit_ends_all_of_it(host: Arc<Host>) {
    let mark = Marked::new();
    let running = start(&host, &mark.script(FAMILY).timeout(Duration::from_secs(8)), None);
    running.shows("ready").await;
    eventually("a child and a grandchild", async || (mark.processes().len() >= 5).then_some(())).await;
    assert_eq!(running.end().await.unwrap(), Outcome::TimedOut);
    mark.assert_gone();
}

async fn a_time_limit_below_a_second_is_one(host: Arc<Host>) {
    let mark = Marked::new();
    let command = mark.script("sleep 600").timeout(Duration::from_millis(300));
    let (took, ran) = timed(exec(&host, &command)).await;
    assert_eq!(ran.outcome, Outcome::TimedOut);
    assert!(took < Duration::from_secs(9), "{took:?}");
    mark.assert_gone();
}

async fn what_ignores_sigterm_is_killed(host: Arc<Host>) {
    let mark = Marked::new();
    let command = mark.script(STUBBORN).timeout(Duration::from_secs(1));
    let (took, ran) = timed(exec(&host, &command)).await;
    assert_eq!(ran.outcome, Outcome::TimedOut);
    assert!(took < Duration::from_secs(15), "{took:?}");
    mark.assert_gone();
}

async fn a_child_that_ignores_sigterm_is_killed_too(host: Arc<Host>) {
    for cancelled in [false, true] {
        let mark = Marked::new();
        let limit = Duration::from_secs(if cancelled { 600 } else { 5 });
        let child = "sh -c 'trap \"\" TERM; echo ready; sleep 600; sleep 600' & wait";
        let running = start(&host, &mark.script(child).timeout(limit), None);
        running.shows("ready").await;
        if cancelled {
            running.cancel.cancel();
        }
        let expected = if cancelled { Outcome::Ended } else { Outcome::TimedOut };
        assert_eq!(running.end().await.unwrap(), expected);
        mark.assert_gone();
    }
}

async fn cancelling_ends_all_of_it(host: Arc<Host>) {
    for family in [FAMILY, STUBBORN] {
        let mark = Marked::new();
        let running = start(&host, &mark.script(family), None);
        running.shows("ready").await;
        running.cancel.cancel();
        let (took, outcome) = timed(running.end()).await;
        assert_eq!(outcome.unwrap(), Outcome::Ended);
        assert!(took < Duration::from_secs(15), "{took:?}");
        mark.assert_gone();
    }
}

async fn cancelling_what_leaves_with_zero_is_no_success(host: Arc<Host>) {
    let mark = Marked::new();
    let running = start(&host, &mark.script("trap 'exit 0' TERM; echo ready; sleep 600 & wait; exit 1"), None);
    running.shows("ready").await;
    running.cancel.cancel();
    assert_eq!(running.end().await.unwrap(), Outcome::Ended);
    mark.assert_gone();
}

async fn cancelling_before_it_began_runs_nothing(host: Arc<Host>) {
    let folder = tempfile::tempdir().unwrap();
    let canary = folder.path().join("canary");
    let touch = pinacle_worker::remote::Command::new("touch").arg(canary.to_str().unwrap());
    let cancel = tokio_util::sync::CancellationToken::new();
    cancel.cancel();
    let mut screen = crate::host::exec::Screen::new();
    let outcome = host.connection.exec(&touch, None, &mut screen, &cancel).await.unwrap();
    assert_eq!((outcome, canary.exists()), (Outcome::Ended, false));
}

async fn dropping_it_ends_all_of_it(host: Arc<Host>) {
    for family in [FAMILY, STUBBORN] {
        let mark = Marked::new();
        let running = start(&host, &mark.script(family), None);
        running.shows("ready").await;
        running.drop_it().await;
        mark.until_gone().await;
    }
}

async fn dropping_many_leaves_room_for_others(host: Arc<Host>) {
    // They take five seconds to go, and hold sshd's sessions as long.
    let mark = Marked::new();
    for _ in 0..2 {
        let many: Vec<_> = (0..16).map(|_| start(&host, &mark.script(STUBBORN), None)).collect();
        for running in &many {
            running.shows("ready").await;
        }
        for running in many {
            running.drop_it().await;
        }
        let next: Vec<_> = (0..16).map(|_| start(&host, &mark.script("echo next"), None)).collect();
        for running in next {
            assert_eq!(running.end().await.unwrap(), Outcome::Exited(0));
        }
    }
    mark.until_gone().await;
}

async fn output_up_to_the_end_is_there(host: Arc<Host>) {
    let mark = Marked::new();
    let farewell = "trap 'trap \"\" TERM; echo farewell; echo too >&2; exit 1' TERM; echo ready; sleep 600 & wait";
    let running = start(&host, &mark.script(farewell).timeout(Duration::from_secs(5)), None);
    let screen = running.screen.clone();
    assert_eq!(running.end().await.unwrap(), Outcome::TimedOut);
    assert_eq!((screen.stdout(), screen.stderr()), ("ready\nfarewell\n".to_owned(), "too\n".to_owned()));
}
