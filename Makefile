# One command each. Every target makes its own set-up first: a virtual environment in .venv with the pinned
# versions of constraints.txt, repeated only when pyproject.toml or constraints.txt has changed.
#   make PYTHON=python3.12 test     names the Python to build .venv with (any from 3.11 on)
#   make ARGS='-k calendar' test    hands more arguments to the program behind a target

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
DEV := $(VENV)/.installed-dev
SMALL := $(VENV)/.installed-quickstart
REPEATS ?= 50
ARGS ?=

export PYTHON
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export PIP_BUILD_CONSTRAINT := constraints.txt

.DEFAULT_GOAL := help
.PHONY: help quickstart test containers check audit bench soak coverage clean
.DELETE_ON_ERROR:

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

quickstart: $(SMALL) ## See it work: collect sample data into ginkgo-quickstart/, without any server
	@$(BIN)/ginkgo-data quickstart --dir ginkgo-quickstart $(ARGS)

test: $(DEV) ## Run every test but the soak's and the containers'
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

containers: $(DEV) ## Build the image and try it: four workers in containers, killed, stopped and scaled (root or an engine)
	@$(PY) -m pytest -m containers -s tests/e2e $(ARGS)

check: $(DEV) ## Check style, types, layers and file headers
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m mypy tests/typing
	@$(BIN)/lint-imports
	@$(PY) scripts/check_headers.py

audit: ## Look the pinned versions up among known vulnerabilities (asks a service on the network, so check does not)
	@python3 -m venv build/audit && build/audit/bin/pip install -q pip-audit
	@build/audit/bin/pip-audit --disable-pip --no-deps -r constraints.txt $(ARGS)

bench: $(DEV) ## Measure the figures the design promises (benchmarks/*.py)
	@set -e; for bench in benchmarks/*.py; do echo "== $$bench"; $(PY) $$bench $(ARGS); done

soak: $(DEV) ## Every test but the containers', with the slow outages, fault loops many times (REPEATS=50)
	@GINKGO_TEST_REPEATS=$(REPEATS) $(PY) -m pytest -m "not containers" tests $(ARGS)

coverage: $(DEV) ## make test counting statements: at least 85 %, each line no test reaches (build/coverage/index.html)
	@$(PY) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --cov=ginkgo_data --cov-fail-under=85 \
		--cov-report=term-missing --cov-report=html:build/coverage $(ARGS)

clean: ## Remove everything that was made but .venv, which is installed into again
	@rm -rf build dist ginkgo-quickstart .coverage .coverage.* .hypothesis .import_linter_cache
	@rm -rf .mypy_cache .pytest_cache .ruff_cache $(DEV) $(SMALL)
	@find . -path ./$(VENV) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# A link that points nowhere (its Python was removed) does not exist for make either: .venv is made anew.
$(PY):
	@sh scripts/create_venv.sh $(VENV)

$(DEV): pyproject.toml constraints.txt $(PY)
	@$(call install,dev)
	@touch $(SMALL) $@

$(SMALL): pyproject.toml constraints.txt $(PY)
	@$(call install,embedded$(comma)calendars)
	@touch $@

comma := ,
install = echo "installing the pinned dependencies ($(1))" \
	&& { $(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null; } \
	&& $(PY) -m pip install -q -c constraints.txt -e '.[$(1)]'
