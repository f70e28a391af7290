# Two commands: `make demo` and `make test`. Each sets itself up in .venv.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

.PHONY: demo test lint browser bench

demo: .venv/demo.stamp
	rm -rf data/demo
	$(BIN)/distune data demo data/demo
	$(BIN)/python tools/run_optuna_tuning.py --config config/demo.yaml --n-trials 30 --workers 2

test: .venv/test.stamp lint browser
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The report's page is tested in Chromium, which is no Python package; root on Debian, as in most CI, gets it here.
browser:
	@command -v chromium >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -qq --no-install-recommends chromium >/dev/null; } \
	|| echo "chromium is not installed: the tests of the report's page will be skipped"

bench: .venv/test.stamp
	$(BIN)/python -m benchmarks

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) .
	touch $@

.venv/test.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) ".[cmaes,dashboard,offline,postgresql,ray,test]"
	touch $@
