# What one does with this repository. The stack is started for the time of a command, and what it needs is
# installed from Debian's packages; `make stack-up` starts it to stay. All but `lint` and `advisories` need root.

stack := deploy/dev/stack
scripts := deploy/pod-host.sh deploy/dev/stack deploy/dev/demo deploy/dev/prepare deploy/dev/test deploy/dev/advisories .ci/run
# They read an environment that is there only in a pod.
pod_scripts := $(wildcard docker/bin/* docker/service/run docker/service/finish docker/service/log/run docker/services/*/run \
	docker/services/*/finish src/lifecycle/steps/scripts/*.sh src/runtime/scripts/*.sh src/services/scripts/*.sh)
# They run on a pod host, and use `-ef`, which is not POSIX's, but every sh has it.
host_scripts := src/host/guard.sh src/reconcile/inventory.sh src/schedule/images.sh

.PHONY: demo test chaos bench image lint lint-scripts advisories prepare prepare-check stack-up stack-down

# A pod's life, from the web app's insert to its end.
demo:
	cargo build --locked
	$(stack) run deploy/dev/demo

# Everything, on real PostgreSQL, sshd, Docker, gVisor, nginx, git and a browser; and which ten tests are the slowest.
# `only=pods::` runs those that have this in their names.
test:
	$(stack) test-tools
	cargo test --locked --package pinacle-guard
	$(stack) run deploy/dev/test $(only)

# What `test` runs a sample of: every boundary, every subset, ten thousand inputs. It takes some hours and prints tables.
chaos:
	$(stack) run cargo test --locked --features faults --test it -- --ignored --nocapture --test-threads 1

# A pod's life beside Docker's API, the queue beside graphile-worker (where Node.js is there), in one table.
# `only=queue` measures a part: commands, pods, services, queue, placement.
bench:
	$(stack) run cargo bench --locked --bench provisioning -- $(only)

# The pods' base image, pinacledev/pinacle-base.
image:
	$(stack) image

lint:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

lint-scripts:
	shellcheck -x $(scripts)
	shellcheck -s sh -e SC1090,SC1091 $(pod_scripts)
	shellcheck -s bash $(wildcard src/*/*.bash src/*/scripts/*.bash src/*/*/scripts/*.bash)
	shellcheck -s dash -e SC2174 $(host_scripts)

# Known advisories against Cargo.lock; says so where their database can't be reached.
advisories:
	deploy/dev/advisories

# .sqlx: what the compiler knows of the queries.
prepare:
	$(stack) run deploy/dev/prepare

prepare-check:
	$(stack) run deploy/dev/prepare --check

stack-up:
	$(stack) up

stack-down:
	$(stack) down
