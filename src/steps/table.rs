//! The table of steps: what each ensures, whose part of a job it is, and how it is taken back, or why it need not be.

use super::{
    Part::{Host, User},
    Step, Undo, commands, container, environment, placement, processes, proxy, removal, repository, services,
};

/// Why most of what is done inside a pod has no undo.
const IN_THE_CONTAINER: Undo = Undo::Needless("it is in the container or its volumes, and goes with them");
/// Why a removal has no undo.
const REMOVED: Undo = Undo::Needless("what is removed stays removed");

pub const PLACE: Step = Step {
    name: "place",
    part: Host,
    ensure: |ctx| Box::pin(placement::place(ctx)),
    undo: Undo::By(|ctx| Box::pin(placement::release(ctx))),
};

pub const PORT: Step = Step {
    name: "port",
    part: Host,
    ensure: |ctx| Box::pin(placement::port(ctx)),
    undo: Undo::Needless("the undo of `place` gives the port back, too"),
};

pub const NETWORK: Step = Step {
    name: "network",
    part: Host,
    ensure: |ctx| Box::pin(container::network(ctx)),
    undo: Undo::By(|ctx| Box::pin(removal::remove_network(ctx))),
};

pub const VOLUME: Step = Step {
    name: "volume",
    part: Host,
    ensure: |ctx| Box::pin(container::volume(ctx)),
    undo: Undo::By(|ctx| Box::pin(removal::remove_volume(ctx))),
};

pub const IMAGE: Step = Step {
    name: "image",
    part: Host,
    ensure: |ctx| Box::pin(container::image(ctx)),
    undo: Undo::Needless("pods share images, and the schedule removes those that no pod uses"),
};

pub const CONTAINER: Step = Step {
    name: "container",
    part: Host,
    ensure: |ctx| Box::pin(container::container(ctx)),
    undo: Undo::By(|ctx| Box::pin(removal::remove_container(ctx))),
};

pub const START: Step = Step {
    name: "start",
    part: Host,
    ensure: |ctx| Box::pin(container::start(ctx)),
    undo: Undo::Needless("the undo of `container` ends what runs in it"),
};

pub const PROXY: Step =
    Step { name: "proxy", part: Host, ensure: |ctx| Box::pin(proxy::proxy(ctx)), undo: IN_THE_CONTAINER };

pub const REPOSITORY: Step = Step {
    name: "repository",
    part: User,
    ensure: |ctx| Box::pin(repository::repository(ctx)),
    undo: IN_THE_CONTAINER,
};

pub const ENVIRONMENT: Step = Step {
    name: "environment",
    part: User,
    ensure: |ctx| Box::pin(environment::environment(ctx)),
    undo: IN_THE_CONTAINER,
};

pub const INSTALL_SERVICES: Step = Step {
    name: "install services",
    part: User,
    ensure: |ctx| Box::pin(services::install(ctx)),
    undo: IN_THE_CONTAINER,
};

pub const INSTALL: Step =
    Step { name: "install", part: User, ensure: |ctx| Box::pin(commands::install(ctx)), undo: IN_THE_CONTAINER };

pub const PRE_START: Step =
    Step { name: "preStart", part: User, ensure: |ctx| Box::pin(commands::pre_start(ctx)), undo: IN_THE_CONTAINER };

pub const SERVICES: Step =
    Step { name: "services", part: User, ensure: |ctx| Box::pin(services::start(ctx)), undo: IN_THE_CONTAINER };

pub const PROCESSES: Step =
    Step { name: "processes", part: User, ensure: |ctx| Box::pin(processes::processes(ctx)), undo: IN_THE_CONTAINER };

pub const HEALTH: Step = Step {
    name: "health",
    part: User,
    ensure: |ctx| Box::pin(services::health(ctx)),
    undo: Undo::Needless("it only looks"),
};

pub const POST_START: Step =
    Step { name: "postStart", part: User, ensure: |ctx| Box::pin(commands::post_start(ctx)), undo: IN_THE_CONTAINER };

pub const STOP: Step = Step {
    name: "stop",
    part: Host,
    ensure: |ctx| Box::pin(container::stop(ctx)),
    undo: Undo::Needless("a stopped pod is a whole pod"),
};

pub const REMOVE_CONTAINER: Step = Step {
    name: "remove container",
    part: Host,
    ensure: |ctx| Box::pin(removal::remove_container(ctx)),
    undo: REMOVED,
};

pub const REMOVE_NETWORK: Step =
    Step { name: "remove network", part: Host, ensure: |ctx| Box::pin(removal::remove_network(ctx)), undo: REMOVED };

pub const REMOVE_VOLUME: Step =
    Step { name: "remove volume", part: Host, ensure: |ctx| Box::pin(removal::remove_volume(ctx)), undo: REMOVED };

pub const REMOVE_FENCE: Step =
    Step { name: "forget", part: Host, ensure: |ctx| Box::pin(removal::remove_fence(ctx)), undo: REMOVED };
