# Make is the manual: every task of the project has a target here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
TAG := localhost/gatebeyz
BUILDER := $(notdir $(or $(shell command -v podman || command -v buildah),podman))
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
JS := tests/sdk_js
BASE_TREE := build/bench/base
JS_STAMP := $(JS)/node_modules/.installed

.PHONY: help run test js test-js crash bench bench-parts bench-compare soak overload check cluster sizes image image-check dashboard k8s format messages shots docs protos lock clean

help: ## Show what there is to do
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(STAMP) ## Start everything on this machine and print how to call it
	@$(BIN)/python -m laptop

test: $(DEV_STAMP) ## Install what is needed and run every test, from unit to end to end
	@$(BIN)/python -m pytest

js: $(JS_STAMP) ## Install the JavaScript SDKs (needs npm); make test runs them from then on

test-js: $(DEV_STAMP) $(JS_STAMP) ## Install the JavaScript SDKs and run them on every model
	@$(BIN)/python -m pytest -q tests/e2e/test_sdks_js.py

bench: $(DEV_STAMP) ## Measure the gateway beside its floor (BENCH=quick, BENCH_ONLY=small,paced)
	@$(BIN)/python -m tests.bench

bench-parts: $(DEV_STAMP) ## Measure what the parts cost, each by itself
	@$(BIN)/python -m pytest -q -m bench tests/bench

bench-compare: $(DEV_STAMP) ## Measure BASE=revision and this tree with one harness; print both
	@test -n "$(BASE)" || { echo "say which: make bench-compare BASE=main"; exit 2; }
	@git worktree add -q --force --detach $(BASE_TREE) $(BASE)
	@rm -rf $(BASE_TREE)/tests/bench && cp -r tests/bench $(BASE_TREE)/tests/bench
	@trap 'git worktree remove --force $(BASE_TREE)' EXIT; \
		(cd $(BASE_TREE) && BENCH_FOLDER=$(CURDIR)/build/bench/of-base \
			PYTHONPATH=$(CURDIR)/$(BASE_TREE):$(CURDIR)/$(BASE_TREE)/protos/gen \
			$(CURDIR)/$(BIN)/python -m tests.bench) && \
		$(BIN)/python -m tests.bench && \
		$(BIN)/python -m tests.bench compare build/bench/of-base/latest.json build/bench/latest.json

soak: $(DEV_STAMP) ## Half of what it can carry for SOAK_S seconds (1800); does anything grow?
	@$(BIN)/python -m tests.bench.soak

overload: $(DEV_STAMP) ## Offer twice what it can carry; print what is still answered, and refused
	@$(BIN)/python -m tests.bench.overload

crash: $(DEV_STAMP) ## Kill processes and fail the store over for ten minutes; the money must add up
	CRASH_S=600 CRASH_KILLS=100 LEDGER_EXAMPLES=1000 $(BIN)/python -m pytest -s \
		tests/crash tests/contract/test_ledger_machine.py

check: $(DEV_STAMP) ## Format, lint, types, import contracts, protos, sizes and names
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd protos && ../$(BIN)/buf lint && ../$(BIN)/buf format -d --exit-code
	$(BIN)/python -m pytest -q tests/arch

cluster: $(DEV_STAMP) ## Roll, scale and fail over several replicas of everything under load; print the figures
	@$(BIN)/python -m tests.cluster
	@$(BIN)/python -m tests.cluster --failover

sizes: $(DEV_STAMP) ## Measure what each process takes of a machine, idle and loaded
	@$(BIN)/python -m tests.cluster.sizes

image: ## Build the image with podman or buildah (BASE=… for another base, TAG=… for another name)
	$(BUILDER) build $(if $(BASE),--build-arg BASE=$(BASE)) --build-arg REVISION=$(REVISION) -t $(TAG) .

image-check: $(DEV_STAMP) ## Run the image that buildah has: read-only, as its user, several replicas of everything
	@$(BIN)/python -m tests.cluster --failover --image $(TAG)

dashboard: $(DEV_STAMP) ## Write the Grafana dashboard anew from its panels
	$(BIN)/python -m k8s.dashboard

k8s: $(DEV_STAMP) ## Render every overlay and check it: schemas, references, wiring, policies
	@$(BIN)/python -m k8s.check

format: $(DEV_STAMP) ## Format the code and the protos
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cd protos && ../$(BIN)/buf format -w

messages: $(DEV_STAMP) ## Bring the catalogues of the pages up to date; translate what is new by hand
	$(BIN)/pybabel -q extract -F pyproject.toml --no-location --omit-header --no-wrap -o .messages.pot .
	$(BIN)/pybabel -q update -D gatebeyz -d edge/web/locale -i .messages.pot --no-fuzzy-matching \
		--ignore-obsolete --omit-header --no-wrap
	@rm .messages.pot

docs: $(DEV_STAMP) ## Write the pages of docs/ that are made from the code
	@$(BIN)/python -m tests.documents

shots: $(DEV_STAMP) ## Take a picture of every page, in both languages and themes, into shots/
	@$(BIN)/python -m tests.e2e.panel.shots

protos: $(DEV_STAMP) ## Write the stubs anew from the protos
	$(BIN)/python protos/generate.py

lock: ## Resolve the lock files anew (needs uv on the PATH)
	uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --extra build --extra tracing pyproject.toml -o requirements.lock
	uv pip compile -q --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --extra dev pyproject.toml -o requirements-dev.lock

clean: ## Remove what was installed, built and stored here
	rm -rf $(VENV) $(JS)/node_modules .gatebeyz build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)

$(STAMP): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing from the lock (hashes are checked)..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing from the lock (hashes are checked)..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(STAMP)

$(JS_STAMP): $(JS)/package-lock.json $(JS)/package.json
	@cd $(JS) && npm ci --silent
	@touch $@
