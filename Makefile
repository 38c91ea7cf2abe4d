# The development targets. They start the stack for the time of a command, and install what it needs from Debian's
# packages; after `make stack-up` it keeps running. All but `check`, `lint`, `lint-scripts`, `advisories` and `fuzz`
# need root.

stack := deploy/dev/stack
scripts := deploy/pod-host.sh deploy/dev/stack deploy/dev/demo deploy/dev/prepare deploy/dev/test deploy/dev/client \
	deploy/dev/web deploy/dev/advisories .ci/run
# These read an environment that exists only in a pod.
pod_scripts := $(wildcard docker/bin/* docker/service/run docker/service/finish docker/service/log/run docker/services/*/run \
	docker/services/*/finish src/guest/scripts/*.sh src/podspec/templates/*.sh)
# These run on a pod host. They use `-ef`, which is not in POSIX, but in every sh.
host_scripts := src/remote/guard.sh src/docker/scripts/way-out.sh src/reconcile/inventory.sh src/maintenance/images.sh

.PHONY: demo web check test test-client client-types test-db test-apps chaos fuzz bench image lint lint-scripts advisories prepare prepare-check stack-up stack-down

# A pod's life, from the web app's insert to its end.
demo:
	cargo build --locked
	$(stack) run deploy/dev/demo

# The example app of examples/nextjs, beside a worker and a pod host, until Ctrl-C. `WEB_PORT=3000` chooses its port.
web:
	$(stack) node
	cargo build --locked
	$(stack) run deploy/dev/web

# The first check of a change: no root, no stack, and under a minute with a warm cache.
check: lint
	cargo test --locked --lib --package pinacle-worker --package pinacle-guard --bins

# The tests that need only PostgreSQL: the schema, the queue, the command line, refusals. Under two minutes with a warm
# cache. `only=queue::` runs a part.
test-db:
	RUST_TEST_THREADS=10 $(stack) run-db deploy/dev/test db::$(only)

# Everything, on real PostgreSQL, sshd, Docker, gVisor, nginx, git and a browser: the worker, the TypeScript client and the
# example app. Prints the worker's ten slowest tests. `only=pods::` runs the worker's tests with this in their names.
test:
	$(stack) test-tools
	cargo test --locked --package pinacle-guard
	$(stack) run deploy/dev/test $(only)
	$(if $(only),,$(stack) run deploy/dev/client test)
	$(if $(only),,$(stack) run deploy/dev/web npm test)

# The TypeScript client's part of it. `only=logs` runs clients/typescript/tests/logs.test.ts.
test-client:
	$(stack) test-tools
	cargo build --locked
	$(stack) run deploy/dev/client test $(only)

# Writes the client's types from the schema and from `pinacle-worker schema`.
client-types:
	$(stack) node
	cargo build --locked
	$(stack) run-db deploy/dev/client types

# Real frameworks from their registries, from Django to Next.js, each in a pod. `only=apps::django` runs one.
only_apps := $(or $(only),apps::)
test-apps:
	$(stack) test-tools
	$(stack) run deploy/dev/test --ignored $(only_apps)

# All of what `test` samples: every boundary, every subset, ten thousand inputs. It takes some hours and prints tables.
chaos:
	$(stack) run cargo test --locked --features faults --test it -- --ignored --skip apps:: --nocapture --test-threads 1

# Fuzzes the readers of what comes from a pod, a host or a repository by libFuzzer, `seconds` for each target; the first
# crash ends it. `make fuzz seconds=60 fuzz_targets=guard` is short. It needs cargo-fuzz (`cargo install cargo-fuzz
# --locked`), a nightly toolchain (`rustup toolchain install nightly`) and a C++ compiler, but not the stack.
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

# Measures a pod's life beside Docker's API, and the queue beside graphile-worker (if Node.js is installed), in one
# table. `only=queue` measures a part: commands, pods, services, queue, placement.
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

# Checks Cargo.lock against the known advisories; prints a warning if their database can't be reached.
advisories:
	deploy/dev/advisories

# Writes .sqlx, by which the compiler checks the queries without a database.
prepare:
	$(stack) run deploy/dev/prepare

prepare-check:
	$(stack) run deploy/dev/prepare --check

stack-up:
	$(stack) up

stack-down:
	$(stack) down
