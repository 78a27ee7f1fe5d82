# Everything a newcomer needs. `make help` lists it.
PYTHON ?= python3
UV_VERSION := 0.13.8
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format lab lock notebooks clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Install everything into .venv, from the lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is older than Python 3.11: name a newer one, make PYTHON=python3.12"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

demo: $(STAMP) ## Run the main job on built-in footage and print where the reports are
	$(BIN)/workbench run --profile demo --jobs 2

test: $(STAMP) ## Run all tests
	$(BIN)/python -m pytest

check: $(STAMP) ## Format, lint, types, and notebooks without outputs: what CI checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/nbstripout --keep-id --verify notebooks/*.ipynb

format: $(STAMP) ## Put code and notebooks into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/nbstripout --keep-id notebooks/*.ipynb

lab: $(STAMP) ## Open JupyterLab on the notebooks
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks

lock: $(STAMP) ## Renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile --quiet --all-extras --universal --python-version 3.11 --no-emit-index-url \
		--generate-hashes --upgrade --custom-compile-command "make lock" -o requirements.lock pyproject.toml

clean: ## Remove reports and derived data, keep raw footage and the environment
	find reports data -mindepth 1 -maxdepth 1 ! -name README.md ! -name raw -exec rm -rf {} +
