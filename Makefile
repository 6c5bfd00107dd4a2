# Each command sets everything up in .venv and runs: `make demo`, `make test`, `make lint`,
# `make docs` (a site in docs/_build/html), `make benchmark` (an hour or two on two cores; the same
# command goes on after a kill).
PYTHON ?= python3
VENV := .venv

# Recordings may lie beside the checkout; elsewhere they are downloaded, or tests skip.
export SKLEARN_BIOMOE_DATA ?= $(wildcard ../shared/data)

# Threads that wait would else keep a processor busy that other processes want.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test lint docs benchmark
demo: install-demo
	$(VENV)/bin/python benchmarks/demo.py $(ARGS)

benchmark: install-benchmark
	$(VENV)/bin/python benchmarks/stress_predict.py $(ARGS)

test: install-test
	$(VENV)/bin/python -m pytest $(ARGS)

lint: install-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

# Without warnings, or not at all.
docs: install-docs
	$(VENV)/bin/python -m sphinx --fresh-env -W --keep-going $(ARGS) docs docs/_build/html

install-%:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[$*]"
