# Two commands on a fresh machine: `make demo` and `make test`.
#
# The first of either makes .venv with the versions of requirements.lock. What may be passed:
#   PYTHON=python3.12       the interpreter of .venv (3.11 or newer)
#   TORCH_INDEX=URL         take torch from this package index: PyTorch's index of CPU builds or of a
#                           CUDA version (see its install page); default: pip's own choice
#   SYSTEM_TORCH=1          use the torch that the interpreter already has
#   ARGS="..."              more arguments for the demo or for pytest
# PYTHON, TORCH_INDEX and SYSTEM_TORCH count when .venv is made; `make clean` removes it.

PYTHON ?= python3
TORCH_INDEX ?=
SYSTEM_TORCH ?=
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
TORCH := $(shell grep '^torch==' requirements.lock)

.DEFAULT_GOAL := help
.PHONY: help demo test lint types vulkan clean
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@sed -n '4,9s/^#//p' $(MAKEFILE_LIST)

demo: $(READY) ## plan around obstacles in a maze, drive it in MuJoCo, write out/demo/
	$(BIN)/glass-plan demo $(ARGS)

test: $(READY) ## all tests, on two processes
	$(BIN)/python -m pytest -n 2 $(ARGS)

lint: $(READY) ## ruff and the import layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo

types: $(READY) ## mypy, strict
	$(BIN)/mypy

vulkan: ## a driver that draws ManiSkill without a GPU, into .cache/vulkan/ (Debian)
	bash envs/vulkan.sh .cache/vulkan
	@echo 'glass_envs finds it; for other programs: export VK_ICD_FILENAMES=$(CURDIR)/.cache/vulkan/lavapipe.json'

clean: ## remove .venv, caches and build products; keep data/, runs/ and out/
	rm -rf $(VENV) .cache build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The lock is complete, so nothing is resolved but torch, whose CUDA builds bring libraries of their own.
$(READY): requirements.lock setup.cfg setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'glass_plan wants Python 3.11 or newer: make PYTHON=python3.11 ...' >&2; exit 1; }
	@test -z '$(SYSTEM_TORCH)' || $(PYTHON) -c 'import torch' || \
		{ echo 'SYSTEM_TORCH is set, but $(PYTHON) has no torch' >&2; exit 1; }
	@echo 'Making $(VENV); this takes a few minutes.'
	@$(PYTHON) -m venv $(if $(SYSTEM_TORCH),--system-site-packages) $(VENV)
	@grep -v '^torch==' requirements.lock > $(VENV)/lock.txt
	$(PIP) --no-deps -r $(VENV)/lock.txt
	$(if $(SYSTEM_TORCH),,$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -c requirements.lock $(TORCH))
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@
