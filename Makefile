# The front door: every target brings what it needs; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTEST := $(BIN)/pytest
# mypy and ruff judge what exists; a folder that comes later is judged from its first file on.
CODE := $(wildcard contracts handlers topology outbox workers tests bench console)
# The long storms: one for each seed, which decides kinds and times of the faults.
SEEDS ?= 1 2 3
STORM_COMMANDS ?= 100000
STORM_FAULTS ?= 40
# Where uv comes from when the environment has none; requirements.lock pins everything else.
UV := uv>=0.5,<1

.PHONY: help setup run test lint types imports unit memory conformance broker chaos lock golden clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: .venv/.servers ## the environment and the servers' programs; done once
	@:

run: setup ## servers, workers and the example scenario on this machine; stays up until Ctrl-C
	@$(BIN)/flexspine up --play examples/first-steps.jsonl

test: lint types imports ## everything: linter, types, imports, then every test
test: setup .venv/.node
	@$(PYTEST)

lint: .venv/.python ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/.python ## mypy, strict
	@$(BIN)/mypy

imports: .venv/.python ## imports go one way only
	@$(BIN)/lint-imports --no-logo

unit: .venv/.python ## pure tests, no server
	@$(PYTEST) tests/unit

memory: .venv/.python ## wiring on the in-process broker and store
	@$(PYTEST) tests/memory

conformance: setup ## one suite for every implementation of the store
	@$(PYTEST) tests/conformance

broker: setup .venv/.node ## tests on a real RabbitMQ and MongoDB
	@$(PYTEST) tests/broker

chaos: setup ## tests that kill servers and workers, then the long storms; SEEDS='1 2 3'
	@$(PYTEST) -m chaos
	@mkdir -p .flexspine; failed=0; for seed in $(SEEDS); do \
		$(BIN)/python -m tests.chaos.storm --commands $(STORM_COMMANDS) --faults $(STORM_FAULTS) \
			--seed $$seed --json .flexspine/storm-$$seed.json || failed=1; done; exit $$failed

lock: .venv/.python ## requirements*.lock anew from pyproject.toml
	@.venv/uv/bin/uv pip compile --quiet --universal --generate-hashes --no-header \
		--group dev --group analysis pyproject.toml --output-file requirements.lock
	@# The image gets no tools. Bound by the other lock, so that what is tested is what runs.
	@.venv/uv/bin/uv pip compile --quiet --universal --generate-hashes --no-header \
		--constraints requirements.lock pyproject.toml --output-file requirements-production.lock
	@! grep --line-number '://' requirements*.lock || { \
		echo 'expected no address in requirements.lock; got the lines above; remove them' >&2; exit 1; }

golden: .venv/.python ## the published tables and schemas, which tests compare, anew
	@$(BIN)/python -m tests.golden.pages

clean: ## removes what tools made; keeps .venv and the data in .flexspine
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# The stamps are files, so that a finished set-up costs nothing.
.venv/.python: requirements.lock .ci/environment
	@UV='$(UV)' .ci/environment
	@touch $@

.venv/.servers: .venv/.python .ci/servers
	@.ci/servers
	@touch $@

# The script writes this stamp itself, and only where there was an npm: one that comes later is used.
.venv/.node: tests/golden/parser/package-lock.json examples/platforms/javascript/package-lock.json \
		.venv/.python .ci/node
	@.ci/node $@
