# Two commands: make demo, make test. Both set up what they need in .venv.
.PHONY: demo test test-all lint clean
.DEFAULT_GOAL := help

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
STAMP := $(VENV)/ready-$(shell cksum < pyproject.toml | cut -d' ' -f1)

help:
	@echo "make demo   classify handwritten digits on the simulated overlay"
	@echo "make test   all tests but the slow ones, on WORKERS=$(WORKERS) processes"
	@echo "make test-all   the slow ones, too; they need iverilog"
	@echo "make lint   ruff, mypy and the rule of the house"

$(STAMP): pyproject.toml
	@for program in $(PYTHON) g++ make perl; do \
	  command -v $$program > /dev/null || { echo "polymap needs $$program: install it first" >&2; exit 2; }; \
	done
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "polymap needs Python 3.11 or later: set PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --editable '.[dev,examples]'
	@rm -f $(VENV)/ready-*
	@touch $@

demo: $(STAMP)
	$(VENV)/bin/python -m sim.demo --out build/demo

test: $(STAMP)
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow"

test-all: $(STAMP)
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m tests.house.rule

clean:
	rm -rf build .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
