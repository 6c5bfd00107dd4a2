# Each command sets everything up in .venv and runs: `make demo`, `make test`, `make lint`,
# `make docs` (a site in docs/_build/html), `make benchmark` (one to two hours on two cores; after an
# interruption the same command resumes).
PYTHON ?= python3
VENV := .venv

# Recordings may be in a folder beside the checkout; elsewhere they are downloaded, or tests skip.
export SKLEARN_BIOMOE_DATA ?= $(wildcard ../shared/data)

# Waiting threads leave their processor to other processes.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test lint docs benchmark
demo: install-demo
	$(VENV)/bin/python benchmarks/demo.py $(ARGS)

benchmark: install-benchmark
	$(VENV)/bin/python benchmarks/stress_predict.py $(ARGS)

# In two processes of one thread each; ARGS="-n 8" starts more, ARGS="-n 0 --pdb" none.
test: export OMP_NUM_THREADS ?= 1
test: install-test
	$(VENV)/bin/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: install-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

# A warning fails the build.
docs: install-docs
	$(VENV)/bin/python -m sphinx --fresh-env -W --keep-going $(ARGS) docs docs/_build/html

install-%:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[$*]"
