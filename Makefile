# The one door for people, CI and hooks. `make help` lists the targets.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

PY := .venv/bin/python
# pip says nothing unless something goes wrong; the project's own paths never reach constraints.txt
PIP_INSTALL := $(PY) -m pip install -qq --disable-pip-version-check --no-warn-script-location -c constraints.txt
# two cores are what the tests were tuned for; WORKERS=0 runs everything in one process
WORKERS ?= 2
ONCE ?=
FULL ?=
TESTS ?= tests

.PHONY: help demo test soak check fix bench docs model assets constraints system clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What runs the software, and what also tests it. The marks lie in .venv so that they go when it goes.
.venv/.runtime: pyproject.toml constraints.txt tools/make_venv.sh
	@tools/make_venv.sh
	@echo "installing mpi and what it needs"
	@$(PIP_INSTALL) -e '.[dicom]'
	@touch $@

.venv/.dev: pyproject.toml constraints.txt tools/make_venv.sh
	@tools/make_venv.sh
	@echo "installing mpi, what it needs and what its tests need"
	@$(PIP_INSTALL) -e '.[dev,dicom,postgresql]'
	@touch .venv/.runtime $@

demo: .venv/.runtime ## build and run a demonstration (ONCE=1: show the outcome and end)
	@$(PY) -m mpi.cli.demo $(if $(filter-out 0,$(ONCE)),--once)

system: ## install the browser and DICOM tools that tests talk to (Debian, root)
	@tools/install_system.sh

test: .venv/.dev system ## run all tests (TESTS=tests/unit: a part)
	@$(PY) -m pytest -q -n $(WORKERS) --dist loadfile $(TESTS)

soak: .venv/.dev system ## the long proofs in full; `make test` runs a tenth of each
	@MPI_SOAK=1 $(PY) -m pytest -q -m soak --timeout 7200 $(TESTS)

check: .venv/.dev ## formatting, lint, types, import contract, what must not be committed
	@.venv/bin/ruff format --check --quiet . >/dev/null || { echo "some files are not formatted: make fix"; exit 1; }
	@.venv/bin/ruff check --quiet --output-format concise .
	@.venv/bin/mypy --strict mpi
	@.venv/bin/lint-imports --no-cache --no-logo
	@$(PY) tools/check_tree.py

fix: .venv/.dev ## format, and mend what lint can mend
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format .

bench: .venv/.dev ## benchmarks in under 20 minutes (FULL=1: the whole table); figures in var/bench
	@mkdir -p var/bench
	@$(PY) -m tests.benchmarks $(if $(filter-out 0,$(FULL)),--full)

docs: .venv/.dev ## rewrite the generated parts of the documentation, pictures too
	@$(PY) tools/generate_docs.py
	@$(PY) tools/screenshots.py

model: .venv/.dev ## train the shipped linkage model again on the synthetic population
	@$(PY) tools/train_model.py

assets: .venv/.dev ## fetch the built NHS.UK styles and scripts that the web pages ship
	@tools/fetch_assets.sh

constraints: ## resolve all dependencies afresh and write constraints.txt
	@tools/write_constraints.sh

clean: ## remove what the targets made, the environment too
	rm -rf .venv var build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
