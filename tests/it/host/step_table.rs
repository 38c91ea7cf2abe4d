//! Three properties of every step of a pod's life, on real parts: twice is as good as once, what failed anywhere can be taken
//! back whole, and taking back twice is as good as once.

mod stage;

use std::time::Duration;

use futures::{StreamExt, stream};
use pinacle_worker::{
    jobs::plan_of,
    model::JobKind,
    steps::{self, Decision, Ensured, PROXY, Step, StepContext},
};
use tokio_util::sync::CancellationToken;

use crate::support::PodHost;
use stage::Stage;

/// Steps that act whenever they are run, and why.
const ALWAYS_ACT: [(&str, &str); 6] = [
    ("place", "until the pod has its port, its server may be one that the web app chose, and has to let the pod in"),
    ("proxy", "it reads what is inside the pod for the steps that follow, and waits for the pod's nginx"),
    ("preStart", "the user's hooks run before every start"),
    ("health", "it asks again whether all is well"),
    ("postStart", "the user's hooks run after every start"),
    ("forget", "its own command signs the fence file before it is removed"),
];

/// Steps of a create that have nothing to do here the first time, and why.
const NEVER_ACT: [(&str, &str); 2] = [
    ("volume", "the command that makes the network has made it, too, and another worker finds it"),
    ("image", "the host has it"),
];

/// So many pods are made and taken back at a time.
const PODS_AT_A_TIME: usize = 3;
/// Between two looks whether a command has begun.
const LOOK: Duration = Duration::from_millis(2);

fn is_in(list: &[(&str, &str)], step: &Step) -> bool {
    list.iter().any(|(name, _)| *name == step.name)
}

fn expected(acts: bool) -> Ensured {
    if acts { Ensured::Changed } else { Ensured::Unchanged }
}

async fn ensure(step: &Step, ctx: &StepContext) -> Ensured {
    step.ensure(ctx).await.unwrap_or_else(|error| panic!("{}: {error}", step.name))
}

/// Runs a step as a worker does that has taken over a job in the middle: what is inside the pod is read first.
async fn ensure_in_the_middle(plan: &[Step], position: usize, ctx: &StepContext) -> Ensured {
    if plan[..position].iter().any(|step| step.name == PROXY.name) {
        ensure(&PROXY, ctx).await;
    }
    ensure(&plan[position], ctx).await
}

/// Runs a plan as one worker does that is not interrupted.
async fn run(stage: &Stage, pod: &str, kind: JobKind) {
    stage.db.job(pod, kind.as_str()).await;
    let ctx = stage.claim(pod).await;
    for step in &plan_of(kind).steps() {
        ensure(step, &ctx).await;
    }
    stage.succeed(&ctx, plan_of(kind).target).await;
}

/// Runs each step of a plan twice; the second time, and the step that follows, by another worker.
async fn run_twice(stage: &Stage, pod: &str, kind: JobKind) {
    let plan = plan_of(kind).steps();
    stage.db.job(pod, kind.as_str()).await;
    let mut ctx = stage.claim(pod).await;
    for (position, step) in plan.iter().enumerate() {
        let once = ensure_in_the_middle(&plan, position, &ctx).await;
        if kind == JobKind::Create {
            assert_eq!(once, expected(!is_in(&NEVER_ACT, step)), "{}", step.name);
        }
        let before = stage.state(pod).await;
        ctx = stage.take_over(&ctx).await;
        let again = ensure_in_the_middle(&plan, position, &ctx).await;
        assert_eq!(stage.state(pod).await, before, "{kind}: {} was run twice", step.name);
        assert_eq!(again, expected(is_in(&ALWAYS_ACT, step)), "{kind}: {} was run twice", step.name);
    }
    stage.succeed(&ctx, plan_of(kind).target).await;
}

#[tokio::test]
async fn a_step_that_is_run_twice_changes_nothing_the_second_time() {
    let host = PodHost::in_lane().await;
    let stage = Stage::new(&host).await;
    let created_and_destroyed = async {
        let pod = stage.pod("created").await;
        run_twice(&stage, &pod, JobKind::Create).await;
        run_twice(&stage, &pod, JobKind::Destroy).await;
    };
    let stopped_and_started = async {
        let pod = stage.pod("stopped").await;
        run(&stage, &pod, JobKind::Create).await;
        run_twice(&stage, &pod, JobKind::Stop).await;
        run_twice(&stage, &pod, JobKind::Start).await;
        run(&stage, &pod, JobKind::Destroy).await;
    };
    let restarted = async {
        let pod = stage.pod("restarted").await;
        run(&stage, &pod, JobKind::Create).await;
        run_twice(&stage, &pod, JobKind::Restart).await;
        run(&stage, &pod, JobKind::Destroy).await;
    };
    futures::join!(created_and_destroyed, stopped_and_started, restarted);
    host.assert_as_before();
}

/// Runs a step, and cancels it once its first command has begun. False where it was done before that.
async fn cut_short(stage: &Stage, ctx: &StepContext, step: &Step) -> bool {
    let before = stage.commands(&ctx.fence.pod_id).await;
    let cancel = async {
        while stage.commands(&ctx.fence.pod_id).await == before {
            tokio::time::sleep(LOOK).await;
        }
        ctx.cancel.cancel();
    };
    let mut ensured = Box::pin(step.ensure(ctx));
    let ended = tokio::select! {
        ended = &mut ensured => ended,
        () = cancel => ensured.await,
    };
    match ended {
        Ok(_) => false,
        Err(error) if error.decision == Decision::Cancelled => true,
        Err(error) => panic!("{} was cut short: {error}", step.name),
    }
}

/// A create that fails at the step of this position is undone, as its worker does it and as another would do again.
/// Returns whether the step was cut short.
async fn fail_at(stage: &Stage, position: usize) -> bool {
    let plan = plan_of(JobKind::Create);
    let steps = plan.steps();
    let step = &steps[position];
    let pod = stage.pod(&format!("fails-at-{position}")).await;
    let untouched = stage.state(&pod).await;
    stage.db.job(&pod, "create").await;
    let ctx = stage.claim(&pod).await;
    for step in &steps[..position] {
        ensure(step, &ctx).await;
    }
    let was_cut = cut_short(stage, &ctx, step).await;

    let ctx = ctx.with_cancel(CancellationToken::new());
    steps::undo(plan, &ctx).await.unwrap_or_else(|error| panic!("after {}: {error}", step.name));
    let undone = stage.state(&pod).await;
    assert_eq!(undone.host, untouched.host, "a create that failed at {} has left this", step.name);
    assert_eq!(stage.held(&pod).await, "", "a create that failed at {} has left this", step.name);

    let ctx = stage.take_over(&ctx).await;
    steps::undo(plan, &ctx).await.unwrap_or_else(|error| panic!("again, after {}: {error}", step.name));
    assert_eq!(stage.state(&pod).await, undone, "a create that failed at {} was undone twice", step.name);
    was_cut
}

#[tokio::test]
async fn a_create_that_fails_at_any_step_is_undone_whole_and_undone_again_without_harm() {
    let host = PodHost::in_lane().await;
    let stage = Stage::new(&host).await;
    let steps = plan_of(JobKind::Create).steps().len();
    let cut: Vec<bool> = stream::iter(0..steps)
        .map(|position| fail_at(&stage, position))
        .buffer_unordered(PODS_AT_A_TIME)
        .collect()
        .await;
    let cut = cut.into_iter().filter(|cut| *cut).count();
    assert!(cut > steps / 2, "only {cut} of {steps} steps were cut short");
    host.assert_as_before();
}

#[tokio::test]
async fn the_undo_of_a_step_that_is_run_twice_changes_nothing_the_second_time() {
    let host = PodHost::in_lane().await;
    let stage = Stage::new(&host).await;
    let pod = stage.pod("undone").await;
    let steps = plan_of(JobKind::Create).steps();
    stage.db.job(&pod, "create").await;
    let mut ctx = stage.claim(&pod).await;
    for step in &steps {
        ensure(step, &ctx).await;
    }
    for step in steps.iter().rev() {
        step.undo(&ctx).await.unwrap_or_else(|error| panic!("{error}"));
        let before = stage.state(&pod).await;
        ctx = stage.take_over(&ctx).await;
        let again = step.undo(&ctx).await.unwrap_or_else(|error| panic!("again: {error}"));
        assert_eq!(stage.state(&pod).await, before, "{} was undone twice", step.name);
        assert_eq!(again, Ensured::Unchanged, "{} was undone twice", step.name);
    }
    assert_eq!(stage.held(&pod).await, "");
    host.assert_as_before();
}
