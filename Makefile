# Each target makes the virtual environment it needs; nothing outside this folder is changed.
#   make run       train the MNIST example on the digits that ship with Plait
#   make test      the tests            make test-all  the same on every executor
#   make lint      style and types      make bench     the benchmarks against PyTorch
#                                       (BENCH="--workloads mlp --rounds 3" chooses)

PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
WORKERS ?= 2
BIN := $(VENV)/bin

.NOTPARALLEL:
.PHONY: run test test-all lint bench clean
.DEFAULT_GOAL := test

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# One stamp per set of extras, so that an environment is filled once and again only when
# pyproject.toml changes.
$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e ".[vision,plot,progress]"
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e ".[test]"
	@touch $@

$(VENV)/.lint: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e ".[test,lint]"
	@touch $@

run: $(VENV)/.run
	PLAIT_SAMPLE_DATA=1 $(BIN)/plait run examples/mnist_cnn.py

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(WORKERS)

test-all: $(VENV)/.test
	PLAIT_TEST_MATRIX=all $(BIN)/python -m pytest -n $(WORKERS)

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

# The peers are large: they get an environment of their own.
$(BENCH_VENV)/.bench: pyproject.toml bench/requirements.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(BENCH_VENV)/bin/python -m pip install --quiet -e . -r bench/requirements.txt
	@touch $@

bench: $(BENCH_VENV)/.bench
	$(BENCH_VENV)/bin/python -m bench $(BENCH)

clean:
	rm -rf $(VENV) $(BENCH_VENV) .pytest_cache .ruff_cache .hypothesis build dist
