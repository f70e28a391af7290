# Two commands: `make demo` and `make test`. Each sets itself up in .venv.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

# The tests start many processes: each would compile the sources itself where the caller wants no bytecode.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test check lint browser server bench docs

demo: .venv/demo.stamp
	rm -rf data/demo
	$(BIN)/distune data demo data/demo
	$(BIN)/python tools/run_optuna_tuning.py --config config/demo.yaml --n-trials 30 --workers 2

# Three workers for two cores: while one waits for a process or a server, the others compute.
test: .venv/test.stamp browser server
	$(MAKE) --no-print-directory --jobs 2 lint tests/__pycache__
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist worksteal

# The fast tier: linters, types, and the tests that are not marked slow.
check: .venv/test.stamp lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

# Of a fresh clone: compiled once for all workers, while the linters have the other core.
tests/__pycache__: | .venv/test.stamp
	-$(BIN)/python -m pytest --collect-only -qq >/dev/null

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tools experiments

# What the tests use that is no Python package; root on Debian, as in most CI, gets it here.
# Arguments: a program, its packages, what is tested with it.
define installed
	@command -v $(1) >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq --no-install-recommends $(2) >/dev/null; } \
	|| echo "$(1) is not installed: the tests of $(3) will be skipped"
endef

browser:
	$(call installed,chromium,chromium,the report's page)

server:
	$(call installed,mariadb-install-db,mariadb-server-core mariadb-client-core,studies in MariaDB)

bench: .venv/test.stamp
	$(BIN)/python -m benchmarks

docs: .venv/docs.stamp
	$(BIN)/mkdocs build --strict

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) ".[report]"
	touch $@

.venv/test.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) ".[dashboard,docs,export,mysql,offline,pandas,postgresql,ray,report,test]"
	touch $@

.venv/docs.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) ".[docs]"
	touch $@
