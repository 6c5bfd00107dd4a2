# Each command sets everything up in .venv and runs: `make demo`, `make test`, `make lint`,
# `make docs` (a site in docs/_build/html), `make release` (files in dist/), `make benchmark` (one to
# two hours on two cores; after an interruption the same command resumes).
PYTHON ?= python3
VENV := .venv

# Recordings may be in a folder beside the checkout; elsewhere they are downloaded, or tests skip.
export SKLEARN_BIOMOE_DATA ?= $(abspath $(wildcard ../shared/data))

# Waiting threads leave their processor to other processes.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test test-oldest test-newest test-python lint docs benchmark release
demo: install-demo
	$(VENV)/bin/python benchmarks/demo.py $(ARGS)

benchmark: install-benchmark
	$(VENV)/bin/python benchmarks/stress_predict.py $(ARGS)

# In two processes of one thread each; ARGS="-n 8" starts more, ARGS="-n 0 --pdb" none.
test: export OMP_NUM_THREADS ?= 1
test: install-test
	$(VENV)/bin/python -m pytest -n 2 --dist worksteal $(ARGS)

# A part of the tests, with the core dependencies alone: in their oldest versions, in their newest,
# and with another Python: `make test-python PYTHON=python3.13`.
CORE_TESTS := $(addprefix tests/test_,$(addsuffix .py,package imports images image_fitting \
	transformers sklearn_api pipelines signals cutting events subject_scaler signal_filter weights \
	missing fusion evaluation trials notebooks))
CORE_TOOLS := hypothesis pillow polars pyarrow pytest pytest-xdist
test-oldest test-newest test-python: export OMP_NUM_THREADS ?= 1
test-oldest: VERSIONS := constraints-oldest.txt
test-oldest: WARNINGS := -W ignore::DeprecationWarning # of old packages with new tools
test-newest: VERSIONS := constraints-newest.txt
test-python: VERSIONS := constraints.txt
test-oldest test-newest test-python:
	$(PYTHON) -m venv $(VENV)-$@
	$(VENV)-$@/bin/python -m pip install --quiet --constraint $(VERSIONS) --editable . $(CORE_TOOLS)
	$(VENV)-$@/bin/python -m pytest -n 2 --dist worksteal -m "not slow" $(WARNINGS) $(ARGS) $(CORE_TESTS)

lint: install-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

# A warning fails the build.
docs: install-docs
	$(VENV)/bin/python -m sphinx --fresh-env -W --keep-going $(ARGS) docs docs/_build/html

# sdist and wheel in dist/, checked, and tried in an empty environment. Nothing is uploaded.
release: install-dev
	rm -rf build dist
	$(VENV)/bin/python -m build --outdir dist
	$(VENV)/bin/twine check --strict dist/*
	$(VENV)/bin/check-wheel-contents dist/*.whl
	.ci/try_release $(PYTHON) dist/*
	sha256sum dist/*

install-%:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[$*]"
