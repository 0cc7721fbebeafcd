# The few commands people type. Each sets up what it needs.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 5000
STORE = $(or $(CVAPPS_HOME),$(CURDIR)/var)
python = $(VENV)/bin/python
on_any_backend = tests/contract tests/classification tests/analysis tests/layers tests/losses tests/metrics tests/ops tests/visualization tests/parity/test_addons.py

.PHONY: setup demo test test-all test-jax test-onnx test-ray stress parity-addons parity-captum parity-foolbox parity-torch lint types check bench ui serve notebook readme requirements clean

setup: $(VENV)/ready

$(VENV)/ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(python) -m pip install --progress-bar on -r requirements.txt
	@touch $@

demo: setup
	$(python) -m pipelines demo

test: setup
	$(python) -m pytest -n auto --dist worksteal

test-all: setup
	$(python) -m pytest -n auto --dist worksteal -m "not gpu and not ray" --timeout 3600

stress: setup .venv-stress/ready
	$(python) -m tests.stress.training --kills 20
	$(python) -m tests.stress.serving --minutes 4 --schemathesis .venv-stress/bin/schemathesis

.venv-stress/ready: tests/stress/requirements.txt
	$(PYTHON) -m venv .venv-stress
	.venv-stress/bin/python -m pip install -r $<
	@touch $@

test-jax: .venv-jax/ready
	KERAS_BACKEND=jax .venv-jax/bin/python -m pytest $(on_any_backend)

.venv-jax/ready: requirements-jax.txt
	$(PYTHON) -m venv .venv-jax
	.venv-jax/bin/python -m pip install -r $<
	@touch $@

test-onnx: .venv-onnx/ready
	.venv-onnx/bin/python -m pytest tests/pipelines/test_onnx.py -m "slow or not slow"

test-ray: .venv-ray/ready
	.venv-ray/bin/python -m pytest -m ray

.venv-onnx/ready .venv-ray/ready: .venv-%/ready: requirements.txt requirements-%.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install -r requirements.txt -r requirements-$*.txt
	@touch $@

parity-addons: setup .venv-addons/ready
	.venv-addons/bin/python tests/parity/addons/record.py
	$(python) -m pytest tests/parity/test_addons.py

.venv-addons/ready: tests/parity/addons/requirements.txt
	python3.11 -m venv .venv-addons
	.venv-addons/bin/python -m pip install -r $<
	@touch $@

parity-captum: setup .venv-captum/ready
	.venv-captum/bin/python -W ignore tests/parity/captum/record.py
	$(python) -m pytest tests/parity/test_captum.py

.venv-captum/ready: tests/parity/captum/requirements.txt
	$(PYTHON) -m venv .venv-captum
	.venv-captum/bin/python -m pip install -r $<
	@touch $@

parity-foolbox: setup .venv-foolbox/ready
	.venv-foolbox/bin/python tests/parity/foolbox/record.py
	$(python) -m pytest tests/parity/test_foolbox.py

.venv-foolbox/ready: tests/parity/foolbox/requirements.txt
	$(PYTHON) -m venv .venv-foolbox
	.venv-foolbox/bin/python -m pip install -r $<
	@touch $@

parity-torch: setup .venv-torch/ready
	.venv-torch/bin/python tests/parity/torch/record.py
	$(python) -m pytest tests/parity/test_torch.py -m "slow or not slow"

.venv-torch/ready: tests/parity/torch/requirements.txt
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python -m pip install -r $<
	@touch $@

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: setup
	$(VENV)/bin/mypy

check: lint types test

bench: setup
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; PYTHONPATH=. $(python) $$file || exit 1; done

ui: setup
	@mkdir -p $(STORE)
	set -a && . ./mlflow/server.env && $(VENV)/bin/mlflow server --port $(PORT) \
	  --backend-store-uri "sqlite:///$(STORE)/mlflow.db" --artifacts-destination "$(STORE)/artifacts"

readme: setup
	$(python) -m pipelines.readme

docs/checkerboard.png: setup
	$(python) -c "from cvapps.analysis import checkerboard; checkerboard().draw().savefig('$@')"

serve: setup
	$(python) -m pipelines serve

notebook: setup
	$(python) -m pip install --quiet jupyterlab
	$(VENV)/bin/jupyter lab notebooks

requirements: setup
	$(python) -m pip install --quiet uv
	for folder in . tests/parity/addons; do \
	  (cd $$folder && $(abspath $(VENV))/bin/uv pip compile --quiet --universal --python-version 3.11 \
	    --custom-compile-command "make requirements" requirements.in -o requirements.txt) || exit 1; \
	done

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
