# The few commands people type. Each sets up what it needs.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 5000
python = $(VENV)/bin/python

.PHONY: setup demo test test-all test-jax parity-addons lint types check bench ui serve notebook requirements clean

setup: $(VENV)/ready

$(VENV)/ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(python) -m pip install --progress-bar on -r requirements.txt
	@touch $@

demo: setup
	$(python) -m pipelines.demo

test: setup
	$(python) -m pytest

test-all: setup
	$(python) -m pytest -m "not gpu" --timeout 3600

test-jax: .venv-jax/ready
	KERAS_BACKEND=jax .venv-jax/bin/python -m pytest tests/contract tests/classification tests/analysis

.venv-jax/ready: requirements-jax.txt
	$(PYTHON) -m venv .venv-jax
	.venv-jax/bin/python -m pip install -r $<
	@touch $@

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: setup
	$(VENV)/bin/mypy

check: lint types test

bench: setup
	@for file in benchmarks/*.py; do echo "== $$file"; PYTHONPATH=. $(python) $$file || exit 1; done

serve: setup
	$(python) -m pipelines serve

notebook: setup
	$(VENV)/bin/jupyter lab notebooks

requirements: setup
	$(python) -m pip install --quiet uv
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --custom-compile-command "make requirements" requirements.in -o requirements.txt

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
