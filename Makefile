# What people and CI call. Every target first makes sure that .venv is whole (quick when it is).
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench chaos fuzz docs format clean

# A thousand modules are compiled once, not at every start, whatever the caller's shell says.
export PYTHONDONTWRITEBYTECODE :=

PYTHON ?= python3
BIN := .venv/bin
ROUNDS ?= 100
ARGS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## the virtual environment in .venv, from constraints.txt
	@PYTHON="$(PYTHON)" ./deploy/setup.sh

demo: setup ## the whole stack with live traffic and attacks in it (ARGS=--fresh starts over)
	@$(BIN)/pulse demo $(ARGS)

test: setup ## every test, three at a time (many of them wait) (ARGS='-k burst' for some, ARGS='-n 0' one at a time)
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup ## format, lint, types, generated docs: what CI holds a change to
	@./deploy/check.sh

format: setup ## let ruff mend format and imports
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

bench: setup ## measure; prints the table and writes bench.json
	@$(BIN)/python -m tests.bench $(ARGS)

chaos: setup ## ROUNDS random faults against real Kafka, then prove that nothing is lost or doubled
	@$(BIN)/python -m tests.chaos --rounds $(ROUNDS) $(ARGS)

fuzz: setup ## 100,000 broken messages among good ones, each accounted for
	@$(BIN)/python -m tests.chaos.fuzz $(ARGS)

docs: setup ## generate docs/*.md and the tables in README.md
	@$(BIN)/python -m deploy.docs

clean: ## remove everything that can be made again, except the data directory
	@rm -rf .venv build dist bench.json artifacts *.egg-info
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
