SHELL := /bin/bash
.DEFAULT_GOAL := help
CACHE ?= $(or $(A1_CACHE),$(HOME)/.cache/a1platform)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# By what it holds, not by its time: every new clone's file is younger than the cache.
UV_INSTALLED := $(CACHE)/uv/.$(firstword $(shell sha256sum requirements-uv.txt))
CHECK_PYTHON := $(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"found Python {sys.version.split()[0]}, expected 3.11 or later: make PYTHON=/path/to/python3.11")'
# A find-links or index setting of the operator's machine must not reach into the locked install.
UV := env -u PIP_FIND_LINKS $(CACHE)/uv/bin/uv
# Files that `make wheels` has downloaded, in place of an index.
FROM := $(if $(WHEELS),--no-index --find-links $(abspath $(WHEELS)))

.PHONY: help up down preview smoke test test-fast test-kills test-long test-disruptive soak check bench bench-services lock scan venv wheels dev

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(UV_INSTALLED):
	@$(CHECK_PYTHON)
	@echo "installing uv into $(CACHE)/uv"
	@mkdir -p $(CACHE)
	@test -x $(CACHE)/uv/bin/pip || $(PYTHON) -m venv $(CACHE)/uv || { echo "on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(CACHE)/uv/bin/pip install --quiet $(FROM) --require-hashes -r requirements-uv.txt
	@touch $@

$(VENV)/.installed: requirements.txt pyproject.toml | $(UV_INSTALLED)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { $(CHECK_PYTHON) && $(UV) venv --quiet --clear --python $(PYTHON) $(VENV); }
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip sync --quiet $(FROM) --require-hashes --compile-bytecode requirements.txt
	@$(BIN)/python -c "import pathlib, sys, sysconfig; pathlib.Path(sysconfig.get_path('purelib'), 'a1platform.pth').write_text(sys.argv[1] + '\n')" $(CURDIR)
	@printf '#!/bin/sh\nexec "%s" -m a1platform "$$@"\n' "$(CURDIR)/$(BIN)/python" > $(BIN)/a1 && chmod 755 $(BIN)/a1
	@touch $@

venv: $(VENV)/.installed ## Install the locked Python environment into .venv

wheels: venv ## Download what `venv` installs into wheels/: WHEELS=wheels then stands in for the network
	@$(BIN)/pip download --quiet --no-deps --only-binary :all: --require-hashes -r requirements-uv.txt -r requirements.txt --dest wheels

lock: | $(UV_INSTALLED) ## Write requirements.txt anew from pyproject.toml
	@$(UV) pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --group dev pyproject.toml -o requirements.txt
	@$(UV) pip compile --quiet --python-platform x86_64-manylinux_2_28 --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --group services -c requirements.txt -o services/requirements.txt

up: venv ## From nothing to the running platform: the machines of Pulumi.a1.yaml, or a sandbox node
	@$(BIN)/python -m sandbox up --parts "$(PARTS)"

down: venv ## Take everything away again, and leave the machine as it was
	@$(BIN)/python -m sandbox down

preview: venv ## Show what `up` would change; needs no machine
	@$(BIN)/python -m sandbox preview

smoke: venv ## Prove the running platform by what it does
	@$(BIN)/python -m sandbox smoke

test: venv ## The whole test suite, the sandbox's end-to-end tests included
	@$(BIN)/python -m sandbox test

test-fast: venv ## The tests that need neither network nor node
	@$(BIN)/pytest --numprocesses auto --dist loadgroup

test-kills: venv ## Kill `pulumi` KILLS times (20) at random moments; the next `up` converges each time
	@A1_KILLS=$(or $(KILLS),20) $(BIN)/pytest -m sandbox tests/sandbox/test_faults.py -k "killed or secret" -v -s

test-long: venv ## A hardened node over its whole life, and the CIS benchmark
	@$(BIN)/python -m sandbox prepare
	@$(BIN)/pytest -m long -v

test-disruptive: venv ## After `make up`: pods and nodes are taken away, delivery is moved, and no request is lost
	@$(BIN)/pytest -m disruptive tests/disruptive -v

soak: venv ## The services for MINUTES (30) under load, faults for longer, 10,000 bad requests
	@A1_SOAK_SECONDS=$$(( $(or $(MINUTES),30) * 60 )) A1_FAULT_SECONDS=15 A1_BAD_REQUESTS=10000 \
		$(BIN)/pytest -o timeout=7200 -v -s services/tests/test_bad_requests.py \
		services/tests/test_faults_under_load.py services/tests/test_soak.py

bench: venv ## Measure on the sandbox: ratios taken in one run, printed as a table at its end
	@$(BIN)/python -m sandbox prepare
	@$(BIN)/pytest -m bench tests/bench -v

bench-services: venv ## Measure the services alone, as processes of this machine: rates, percentiles, CPU a call
	@$(BIN)/pytest -m bench -v -s services/tests/test_bench.py

scan: venv ## Look for known vulnerabilities in our own image and lock files (asks osv.dev)
	@$(BIN)/python -m sandbox scan

dev: venv ## Run the five services and an example MCP server on this machine
	@PYTHONPATH=services $(BIN)/python -m mcp_services.dev --reload

check: venv ## Lint, format check and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
