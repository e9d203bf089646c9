# Each target sets up what it needs in .venv; Python with its venv module is enough.
#
#   PYTHON=python3.12 make test            another interpreter for a new .venv
#   PYTHONS="python3.10 ..." make test-pythons

PYTHON ?= python3
PYTHONS ?= python3.10 python3.11 python3.12 python3.13
MINUTES ?= 10
MATRIX := dist/matrix.jsonl

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test unit lint format types docs bench soak matrix dist \
        test-hosts test-pythons clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The pip that comes with Python 3.10 and 3.11 cannot read dependency groups (PEP 735,
# pip 25.1), so the one named in constraints.txt replaces it, in .venv only.
$(READY): pyproject.toml constraints.txt
	@echo "setting up $(VENV) (a minute or two the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq -c constraints.txt pip
	@$(BIN)/python -m pip install -qq \
	    -c constraints.txt --build-constraint constraints.txt \
	    -e '.[demo]' --group test --group lint --group docs --group bench
	@touch $@

demo: $(READY) ## a real training run on ten-second credentials
	$(BIN)/mlsecrets demo

test: lint types docs unit ## everything that has to pass

unit: $(READY) ## the tests alone
	@bash .ci/unit $(BIN)/python

lint: $(READY) ## ruff, and who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo

format: $(READY) ## let ruff mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(READY) ## mypy, strict
	$(BIN)/mypy

docs: $(READY) ## the documentation, strictly, into site/
	@# Not --quiet: it takes --strict with it. The variable silences an advertisement.
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(READY) ## the figures in the documentation
	@set -e; for script in benchmarks/[a-z]*.py; do \
	    echo "== $$script"; $(BIN)/python "$$script"; done

soak: $(READY) ## renewal under faults; MINUTES=10, SEED=N to repeat one
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

matrix: $(READY) ## how runs end: every framework, launcher and way of ending; as tables
	@mkdir -p $(dir $(MATRIX)) && rm -f $(MATRIX)
	MLSECRETS_MATRIX=all MLSECRETS_MATRIX_RECORD=$(MATRIX) \
	    $(BIN)/python -m pytest tests/matrix tests/guests/test_lightning_stops.py
	$(BIN)/python -m tests.matrix.table $(MATRIX)

dist: $(READY) ## source archive, and the wheel made from it, into dist/
	$(BIN)/python -m build --no-isolation

test-hosts: ## BentoML, MLServer and KServe, in environments of their own
	@PYTHON=$(PYTHON) bash .ci/hosts

test-pythons: ## the core's tests on every Python of PYTHONS that is here
	@bash .ci/pythons $(PYTHONS)

clean: ## what tools made, except environments
	rm -rf dist site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find mlsecrets integrations tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
