# What one does with this repository. The stack is started for the time of a command, and what it needs is
# installed from Debian's packages; `make stack-up` starts it to stay. All but `check`, `lint`,
# `advisories` and `fuzz` need root.

stack := deploy/dev/stack
scripts := deploy/pod-host.sh deploy/dev/stack deploy/dev/demo deploy/dev/prepare deploy/dev/test deploy/dev/advisories .ci/run
# They read an environment that is there only in a pod.
pod_scripts := $(wildcard docker/bin/* docker/service/run docker/service/finish docker/service/log/run docker/services/*/run \
	docker/services/*/finish src/guest/scripts/*.sh src/podspec/templates/*.sh)
# They run on a pod host, and use `-ef`, which is not POSIX's, but every sh has it.
host_scripts := src/remote/guard.sh src/docker/scripts/way-out.sh src/reconcile/inventory.sh src/maintenance/images.sh

.PHONY: demo check test test-db test-apps chaos fuzz bench image lint lint-scripts advisories prepare prepare-check stack-up stack-down

# A pod's life, from the web app's insert to its end.
demo:
	cargo build --locked
	$(stack) run deploy/dev/demo

# What a change is looked at by first: no root, no stack, and under a minute once it is warm.
check: lint
	cargo test --locked --lib --package pinacle-worker --package pinacle-guard --bins

# What PostgreSQL alone can show: the schema, the queue, the command line, what is refused. Under two minutes once it is warm.
# `only=queue::` runs a part.
test-db:
	RUST_TEST_THREADS=10 $(stack) run-db deploy/dev/test db::$(only)

# Everything, on real PostgreSQL, sshd, Docker, gVisor, nginx, git and a browser; and which ten tests are the slowest.
# `only=pods::` runs those that have this in their names.
test:
	$(stack) test-tools
	cargo test --locked --package pinacle-guard
	$(stack) run deploy/dev/test $(only)

# The real frameworks from their registries, in pods: Django to Next.js, each as on a developer's own machine.
# `only=apps::django` runs one.
only_apps := $(or $(only),apps::)
test-apps:
	$(stack) test-tools
	$(stack) run deploy/dev/test --ignored $(only_apps)

# What `test` runs a sample of: every boundary, every subset, ten thousand inputs. It takes some hours and prints tables.
chaos:
	$(stack) run cargo test --locked --features faults --test it -- --ignored --skip apps:: --nocapture --test-threads 1

# What is read from a pod, a host or a repository, made worse by libFuzzer: target by target, `seconds` for each; the first
# crash ends it. `make fuzz seconds=60 fuzz_targets=guard` is short. It needs cargo-fuzz (`cargo install cargo-fuzz
# --locked`), a nightly toolchain (`rustup toolchain install nightly`) and a C++ compiler; nothing of it needs the stack.
seconds := 3600
fuzz_targets := $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
fuzz:
	@cargo fuzz --version || { echo 'make fuzz needs cargo-fuzz: cargo install cargo-fuzz --locked' >&2; exit 1; }
	@cargo +nightly --version || { echo 'make fuzz needs a nightly toolchain: rustup toolchain install nightly' >&2; exit 1; }
	@set -e; for target in $(fuzz_targets); do \
		mkdir -p fuzz/generated/$$target; \
		echo "== $$target: $(seconds) s"; \
		cargo +nightly fuzz run $$target fuzz/generated/$$target fuzz/corpus/$$target -- \
			-dict=fuzz/dictionaries/$$target -max_total_time=$(seconds) -timeout=10 -print_final_stats=1; \
	done

# A pod's life beside Docker's API, the queue beside graphile-worker (where Node.js is there), in one table.
# `only=queue` measures a part: commands, pods, services, queue, placement.
bench:
	$(stack) run cargo bench --locked --bench provisioning -- $(only)

# The pods' base image, pinacledev/pinacle-base.
image:
	$(stack) image

lint:
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings

lint-scripts:
	shellcheck -x $(scripts)
	shellcheck -s sh -e SC1090,SC1091 $(pod_scripts)
	shellcheck -s bash $(wildcard src/*/scripts/*.bash)
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
