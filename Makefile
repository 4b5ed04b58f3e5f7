# The entry points. CI uses these and nothing else.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LAB := $(PYTHON) -m lab
ROUNDS ?= 1
# Unset to use a cluster and a registry of your own: see lab/README.md.
JOBS ?= 4

.PHONY: help install check fmt test demo lab lab-down lab-status golden
.PHONY: bench-health bench-rivals bench-unchanged together chaos fuzz clean
.PHONY: platform canary fleet gitops pipelines registries bench-cache bench-metrics observe

help: ## say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(READY) ## the program and its tools, in .venv

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

fmt: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: $(READY) ## format, lint, types, contracts and pure tests: seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -m "not lab" -n auto

test: check lab ## everything, on the lab; the timed scenarios are bench-health, twenty at once is together, kills are chaos
	@ORDERS=500 $(BIN)/pytest -q -n $(JOBS) tests/health/test_orders.py
	@eval "$$($(LAB) env)" && { $(BIN)/pytest -q -m "lab and not scenario and not slow" -n $(JOBS) --dist worksteal || \
	{ echo "test: what failed beside others, once more and alone; that it passes then is a bug of ours all the same"; \
	$(BIN)/pytest -q -m "lab and not scenario and not slow" --last-failed --last-failed-no-failures none; }; }

demo: $(READY) ## the main job: from source to healthy pods
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash lab/demo.sh

lab: ## a real registry and a real cluster on this machine
	@$(LAB) up

lab-down: ## remove all of the lab from this machine
	@$(LAB) down

lab-status: ## what of the lab is running
	@$(LAB) status

golden: $(READY) lab ## rewrite the golden files of the tests
	@eval "$$($(LAB) env)" && UPDATE_GOLDEN=1 $(BIN)/pytest -q tests/chart

bench-health: $(READY) lab ## every rollout scenario with its seconds and its bound; ROUNDS=20 times those that only look like a failure
	@eval "$$($(LAB) env)" && $(BIN)/python tests/e2e/bench_health.py --times $(ROUNDS)

bench-rivals: $(READY) lab ## the same faults, judged by deploy and by helm --wait
	@eval "$$($(LAB) env)" && $(BIN)/pytest -q tests/e2e/bench_rivals.py

bench-unchanged: $(READY) lab ## an `up` with nothing to do, against bare docker and helm (PAIRS=7)
	@eval "$$($(LAB) env)" && $(BIN)/pytest -q tests/e2e/bench_unchanged.py

pipelines: $(READY) lab ## the shipped pipelines of GitHub and GitLab, from commit to prod, cancelled and run again
	@eval "$$($(LAB) env)" && $(BIN)/python tests/e2e/pipelines.py

registries: $(READY) lab ## BuildKit beside docker: platforms, attestations, a cache; and every fault of a registry
	@$(LAB) buildkit
	@eval "$$($(LAB) env)" && $(BIN)/python tests/e2e/steps.py "buildkit or registries"

bench-cache: $(READY) lab ## a cold runner's build with the registry's cache and without, PAIRS=3 of them
	@$(LAB) buildkit
	@eval "$$($(LAB) env)" && $(BIN)/python tests/e2e/bench_cache.py

together: $(READY) lab ## twenty deploys of one release at once: minutes on two cores
	@eval "$$($(LAB) env)" && $(BIN)/pytest -q -m slow tests/e2e/test_together.py

bench-metrics: $(READY) lab ## a version with 5 % of errors and a good one, ROUNDS=20 times each: the metric guard tells them apart
	@$(LAB) observe
	@eval "$$($(LAB) env)" && $(BIN)/python tests/e2e/bench_metrics.py --rounds $(ROUNDS)

chaos: $(READY) lab ## kill deploy at every stage, ROUNDS times each, and see the next run mend it
	@$(LAB) gateway
	@eval "$$($(LAB) env)" && ROUNDS=$(ROUNDS) $(BIN)/pytest -q tests/e2e/chaos.py

canary: $(READY) lab ## releases in steps: real requests through Contour's Envoy and Istio's, faults, kills
	@$(LAB) gateway && $(LAB) mesh && $(LAB) observe
	@eval "$$($(LAB) env)" && $(BIN)/python tests/e2e/steps.py canary

fleet: $(READY) lab ## fifty targets on three more clusters: waves, budget, resume, time and memory; some minutes
	@$(LAB) fleet
	@eval "$$($(LAB) env)" && $(BIN)/python tests/e2e/bench_fleet.py

gitops: $(READY) lab ## delivery by Argo CD, on a real one beside the lab, with its git server
	@$(LAB) gitops
	@eval "$$($(LAB) env)" && $(BIN)/python tests/e2e/steps.py gitops

observe: $(READY) lab ## metrics, traces, dashboard, alerts and the metric guard, against the real Prometheus and collector
	@$(LAB) observe
	@eval "$$($(LAB) env)" && $(BIN)/python tests/e2e/bench_observe.py

platform: $(READY) lab ## observe, canary, mesh and fleet in one go; half an hour on two cores (ROUNDS=20: so many runs of the metric guard each)
	@for part in observe gateway mesh fleet; do $(LAB) $$part || exit 1; done
	@eval "$$($(LAB) env)" && ROUNDS=$(ROUNDS) $(BIN)/python tests/e2e/bench_platform.py

fuzz: $(READY) ## broken profiles by the thousand: INPUTS=10000, SEED=0
	@$(BIN)/python tests/fuzz/fuzz_profiles.py

clean: ## remove what was made in this folder
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
