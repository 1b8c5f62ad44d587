# The one command runner: people and CI use the same targets. `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Build output lives outside the checkout, where several checkouts share it.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/hearth/target

# What `make serve` listens on and where it keeps its state.
HEARTH_LISTEN ?= 127.0.0.1:8787
HEARTH_DATA_DIR ?= $(CURDIR)/data

# The binary that the end-to-end tests start. The debug build shares its dependencies with the unit tests;
# `make test-e2e HEARTH_BIN=$PWD/target/release/hearth` tries a release.
HEARTH_BIN ?= $(CARGO_TARGET_DIR)/debug/hearth

# The pinned runtime, for the tests that hold a crate against it.
export HEARTH_WORKERD ?= $(CURDIR)/runtime/node_modules/@cloudflare/workerd-linux-64/bin/workerd

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- set-up ------------------------------------------------------------------------------------------------

.PHONY: setup
setup: runtime/node_modules/.stamp ## Install what a build needs: system packages, the pinned workerd
	@scripts/packages build
	@scripts/own-target

.PHONY: setup-tests
setup-tests: setup console tests/node_modules/.stamp tests/.venv/.stamp sdk/node_modules/.stamp ## … and what the tests drive: wranglers, their Node, the SDKs
	@scripts/packages tests

# `npm install --no-save` takes the versions and checksums from the lock file and leaves it alone, as `npm ci` does; but
# `npm ci` also insists on lock entries for the optional packages of other systems (darwin, windows), which some
# registries do not carry.
runtime/node_modules/.stamp: runtime/package.json runtime/package-lock.json runtime/.npmrc
	cd runtime && npm install --no-save --loglevel=error
	@touch $@

tests/node_modules/.stamp: tests/package.json tests/package-lock.json tests/.npmrc
	cd tests && npm install --no-save --loglevel=error
	@touch $@

sdk/node_modules/.stamp: sdk/package.json sdk/package-lock.json sdk/.npmrc
	cd sdk && npm install --no-save --loglevel=error
	@touch $@

console/node_modules/.stamp: console/package.json console/package-lock.json console/.npmrc
	cd console && npm install --no-save --loglevel=error
	@touch $@

tests/.venv/.stamp: tests/requirements.txt
	@scripts/packages venv
	python3 -m venv tests/.venv
	tests/.venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	@touch $@

tests/.venv-openapi/.stamp: tests/requirements-openapi.txt
	@scripts/packages venv
	python3 -m venv tests/.venv-openapi
	tests/.venv-openapi/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# ---- build and run -----------------------------------------------------------------------------------------

.PHONY: console
console: console/dist/.stamp ## The console, which the binary carries

CONSOLE_SOURCES := $(shell find console/src console/public console/scripts -type f -not -name schema.d.ts)
console/dist/.stamp: console/node_modules/.stamp console/index.html console/vite.config.ts $(CONSOLE_SOURCES)
	cd console && npm run --silent build
	@touch $@

.PHONY: console-types
console-types: setup console/node_modules/.stamp ## The types of the API that the console is checked against
	cargo build --locked -p hearth
	"$(CARGO_TARGET_DIR)/debug/hearth" openapi > console/openapi.json
	cd console && npm run --silent types

.PHONY: build
build: setup console ## Release build; leaves target/release/hearth
	cargo build --release --locked -p hearth
	@mkdir -p target/release
	@# A hard link costs nothing; across file systems it has to be a copy.
	@ln -f "$(CARGO_TARGET_DIR)/release/hearth" target/release/hearth 2>/dev/null \
		|| cp -f "$(CARGO_TARGET_DIR)/release/hearth" target/release/hearth

.PHONY: dist
dist: setup console ## Release build with workerd inside: one file to copy; leaves target/release/hearth-with-runtime
	cargo build --release --locked -p hearth --features embedded-runtime
	@mkdir -p target/release
	@cp -f "$(CARGO_TARGET_DIR)/release/hearth" target/release/hearth-with-runtime

.PHONY: sdk
sdk: setup sdk/node_modules/.stamp ## The npm package in sdk/, of the API of this checkout's binary
	cargo build --locked -p hearth
	"$(CARGO_TARGET_DIR)/debug/hearth" openapi > sdk/openapi.json
	cd sdk && npm run build

.PHONY: serve
serve: export HEARTH_LISTEN := $(HEARTH_LISTEN)
serve: export HEARTH_DATA_DIR := $(HEARTH_DATA_DIR)
serve: port-is-free setup-tests build ## Build, run, and deploy examples/hello; Ctrl-C stops it
	@exec scripts/serve.py run

# Asked before the build, which takes minutes.
.PHONY: port-is-free
port-is-free:
	@scripts/serve.py check

# ---- tests -------------------------------------------------------------------------------------------------

.PHONY: test
test: test-checks test-unit test-e2e test-changed ## Everything below

.PHONY: test-checks
test-checks: setup-tests ## Format, clippy with warnings as errors, licences, the scripts' own tests
	@scripts/checks

.PHONY: test-unit
test-unit: setup ## Unit and integration tests of every crate
	@scripts/cargo-test unit

.PHONY: test-e2e
test-e2e: setup-tests ## The real binary, driven by the real clients
	cargo build --locked --workspace --bins --tests
	@HEARTH_BIN="$(HEARTH_BIN)" scripts/cargo-test e2e

.PHONY: test-changed
test-changed: ## … and the heavy suites whose area has changed since they passed
	@scripts/seen frameworks || $(MAKE) test-frameworks
	@scripts/seen console || $(MAKE) test-console

# Screenshots of every page are left in console/tests/artefacts.
.PHONY: test-console
test-console: setup-tests console-types ## The console in Chromium: every page, both languages, bad input, large amounts
	cd console && npm run --silent check
	cargo build --locked --workspace --bins
	cd console && HEARTH_BIN="$(HEARTH_BIN)" node --test --test-concurrency=1 tests/*.spec.mjs
	@scripts/seen console record

# A release: a debug build hashes a gigabyte slowly.
.PHONY: test-s3-heavy
test-s3-heavy: setup-tests build ## S3 with a gigabyte and a hundred thousand keys, by boto3, aws and rclone
	HEARTH_BIN=$(CURDIR)/target/release/hearth cargo nextest run --locked -p hearth-testing --test e2e_s3 \
		--run-ignored only --no-capture --profile heavy

# Each app installs its packages and builds; what they need of a machine is a few minutes and 3 GB of disk.
.PHONY: test-frameworks
test-frameworks: setup-tests tests/frameworks/browser/node_modules/.stamp ## Build and deploy Hono, Astro, Next.js and others, and look at them in Chromium
	@scripts/packages frameworks
	cargo build --locked --workspace --bins --tests
	HEARTH_BIN="$(HEARTH_BIN)" cargo nextest run --locked -p hearth-testing --test e2e_frameworks --run-ignored only \
		--test-threads 1 --profile heavy
	@scripts/seen frameworks record

tests/frameworks/browser/node_modules/.stamp: tests/frameworks/browser/package.json tests/frameworks/browser/package-lock.json
	cd tests/frameworks/browser && npm install --no-save --loglevel=error
	@touch $@

.PHONY: test-openapi
test-openapi: setup-tests tests/.venv-openapi/.stamp ## What Schemathesis makes up, sent to the APIs of functions and templates
	cargo build --locked --workspace --bins --tests
	HEARTH_BIN="$(HEARTH_BIN)" cargo nextest run --locked -p hearth-testing --test e2e_openapi --run-ignored only \
		--no-capture --profile heavy

# A short run of it is part of `make test-e2e`.
.PHONY: torture
torture: setup-tests ## Kill the server under load, ROUNDS=200 times, and look for what was acknowledged
	cargo build --locked --workspace --bins --tests
	HEARTH_BIN="$(HEARTH_BIN)" HEARTH_TORTURE_KILLS=$(or $(ROUNDS),200) cargo nextest run --locked \
		-p hearth-testing --test e2e_torture --test e2e_queue_torture --test e2e_objects_torture \
		--test e2e_workflow_torture --no-capture --profile heavy

# ---- measurements ------------------------------------------------------------------------------------------

.PHONY: bench
bench: setup-tests build ## The ratios of SPECIFICATION.md; ONLY="cold deploy" picks some
	@scripts/packages bench
	cargo build --release --locked -p hearth-testing --example relay
	HEARTH_BIN=$(CURDIR)/target/release/hearth HEARTH_RELAY="$(CARGO_TARGET_DIR)/release/examples/relay" \
		bench/spine.py $(ONLY)

.PHONY: bench-state
bench-state: setup-tests build ## … of KV, R2 and D1; ONLY="kv scale" picks some
	cargo build --release --locked -p hearth-testing --example trivial
	HEARTH_BIN=$(CURDIR)/target/release/hearth HEARTH_TRIVIAL="$(CARGO_TARGET_DIR)/release/examples/trivial" \
		bench/state.py $(ONLY)

.PHONY: bench-events
bench-events: setup-tests build ## … of queues and the cache; ONLY="queues" picks some
	HEARTH_BIN=$(CURDIR)/target/release/hearth bench/events.py $(ONLY)

.PHONY: bench-objects
bench-objects: setup-tests build ## … of Durable Objects; ONLY="counter" picks some
	HEARTH_BIN=$(CURDIR)/target/release/hearth bench/objects.py $(ONLY)

.PHONY: bench-functions
bench-functions: setup-tests build ## … of functions in Node.js, Python and Go; ONLY="warm cold" picks some
	HEARTH_BIN=$(CURDIR)/target/release/hearth bench/functions.py $(ONLY)

.PHONY: bench-assets
bench-assets: setup-tests build ## … of static assets; ONLY="serve upload" picks some
	@scripts/packages bench
	@scripts/packages bench-assets
	HEARTH_BIN=$(CURDIR)/target/release/hearth bench/assets.py $(ONLY)

.PHONY: bench-tail
bench-tail: setup-tests build ## … of being watched
	@scripts/packages bench
	HEARTH_BIN=$(CURDIR)/target/release/hearth bench/tail.py
