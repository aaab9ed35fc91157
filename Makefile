# Every target sets itself up in .venv, once; `make demo PYTHON=python3.12` names another Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
REFERENCES := $(VENV)/.references
# A process a core, four at most; which tests stay together: tests/conftest.py.
PROCESSES := -n logical --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

export DVC_NO_ANALYTICS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-slow bench gpu-check lint docs lock relock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(REFERENCES) ## install all locked packages into .venv (the targets below install what they need)

demo: $(INSTALLED) ## all ten stages on synthetic patients, in a scratch copy (.demo)
	@$(BIN)/python demo/run.py

test: $(REFERENCES) ## the tests, with coverage and one whole `dvc repro` on tiny synthetic patients
	@$(BIN)/python -m pytest -q -m "not slow" $(PROCESSES) --cov --cov-report=term </dev/null

test-slow: $(REFERENCES) ## what takes several whole pipelines: kills, double runs, queued experiments
	@$(BIN)/python -m pytest -q -m slow </dev/null

bench: $(INSTALLED) ## speed of our code beside the usual way, as ratios
	@$(BIN)/python -m benchmarks

gpu-check: $(INSTALLED) ## training and prediction on CUDA beside the CPU; without CUDA it says so
	@$(BIN)/python -m benchmarks.gpu

lint: $(INSTALLED) ## style, formatting and types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy

docs: $(VENV)/.installed-docs ## build the site into site/ (tutorials run; warnings are errors)
	@$(BIN)/python -m sphinx -W --keep-going -q -b html -d $(VENV)/.doctrees docs site
	@echo "The site: site/index.html"

lock: ## write the locks anew; UPGRADE=1 takes the newest versions that pyproject.toml admits
	@PYTHON=$(PYTHON) ./requirements.sh

relock: $(INSTALLED) ## record in dvc.lock that changed code writes the same, after the old and the new have run (minutes)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m studies.relock

clean: ## remove .venv, the scratch copy and the tools' caches (no data, no models)
	rm -rf $(VENV) .demo site docs/gallery docs/reference/python .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find brainseg stages benchmarks demo tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
	  echo "brainseg needs Python 3.11 or newer, but '$(PYTHON)' is not found: name one, as in make demo PYTHON=python3.11." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; sys.exit(sys.version_info < (3, 11) and \
	  "brainseg needs Python 3.11 or newer, but $(PYTHON) is " + v + ": name another, as in make demo PYTHON=python3.11.")'
	@echo "Installing the locked packages into $(VENV) (once, some minutes) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq -r requirements.lock
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation -e .
	@touch $@

$(REFERENCES): requirements-references.lock $(INSTALLED)
	@echo "Installing what the tests hold the code against (once, 2 GB) ..."
	@$(BIN)/python -m pip install -qq -r requirements-references.lock
	@touch $@

$(VENV)/.installed-docs: $(INSTALLED) requirements-docs.lock
	@echo "Installing what builds the site into $(VENV) (once) ..."
	@$(BIN)/python -m pip install -qq -r requirements-docs.lock
	@touch $@
