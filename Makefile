# Bilaga's commands. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo install install-dev check test test-long engines engines-stop bench ui screenshots words lock

# The environment you are in, else one of the project's own.
VENV ?= $(if $(VIRTUAL_ENV),$(VIRTUAL_ENV),.venv)
BIN := $(VENV)/bin
PORT ?= 8080
# For `make test` and `make bench`: what to add to the command, as in `make test ARGS="-k links"`.
ARGS ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: install ## a running Bilaga with a sample ticket on 127.0.0.1 (PORT=8080)
	@exec $(BIN)/bilaga demo --port $(PORT)

install: ## the service, from locked and hashed packages, into .venv or the environment you are in
	@services/packages.sh run
	@services/venv.sh $(VENV) run

install-dev:
	@services/packages.sh test
	@services/venv.sh $(VENV) dev

check: install-dev ## style, types, floors, dependencies, licences, lock: everything but the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/pytest -q -p no:randomly tests/shape

test: install-dev ## every test but the long ones, on the embedded engines, then on PostgreSQL and S3 (ARGS="-k links")
	@services/engines.sh around $(BIN)/pytest -n 4 --dist loadgroup -m "not long" $(ARGS)
	@services/engines.sh around $(BIN)/pytest -n 4 --dist loadgroup -m "not long" --site engines $(ARGS)

test-long: install-dev ## engines that are killed and frozen while they work, some 15 minutes
	@services/engines.sh around $(BIN)/pytest -n 2 --dist loadgroup -m long --hypothesis-profile=random $(ARGS)

engines: install-dev ## start the engines that tests talk to; prints where they are
	@services/engines.sh start

engines-stop: ## stop them
	@services/engines.sh stop

bench: install-dev ## measure beside what others use, an hour (ARGS="regression": half a minute; ARGS="uploads latency" and more)
	@services/packages.sh bench
	$(BIN)/python -m bench $(ARGS)

ui: ## build the pages' scripts from web/ui (the service runs without Node: what is built is in the tree)
	@services/packages.sh test
	cd web/ui && npm ci --ignore-scripts --no-audit --no-fund && npm run types && npm run build

screenshots: install-dev ## take the README's pictures anew
	$(BIN)/python docs/screenshots.py

words: install-dev ## bring the catalogues of pages and mails up to the texts in the sources
	@services/words.sh $(BIN)/pybabel

lock: install-dev ## write requirements/ anew from pyproject.toml (ARGS=--upgrade for newer versions)
	@services/lock.sh $(BIN)/uv $(ARGS)
