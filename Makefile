# Settings, all optional: PYTHON, the interpreter; VENV, where the environment is made; NSMC_DIR, the folder with
# ratings_train.txt and ratings_test.txt; RUN_DIR, where probing leaves its results; ARGS and PYTEST_ARGS, added to the command.
PYTHON ?= python3
VENV ?= .venv
NSMC_DIR ?=
RUN_DIR ?= runs/probing
ARGS ?=
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help train table serve test lint docs bench campaign clean

# Names the interpreter and this folder: a stamp carries the name, so that an environment of another interpreter, or
# one that was copied here from elsewhere, is not taken for this one's.
NAME := $(shell "$(PYTHON)" -c 'import os, sys, zlib; print("%d.%d-%08x" % (sys.version_info[:2] + (zlib.crc32((os.path.realpath(sys.executable) + os.getcwd()).encode()) & 0xffffffff,)))' 2>/dev/null)
IN_VENV := "$(VENV)/bin/python"
INPUTS = setup.cfg setup.py pyproject.toml constraints.txt $(VENV)/.made-$(NAME)

# TensorFlow computes on a GPU with CUDA's libraries of its own alone: they are installed where NVIDIA's driver is, on Linux or below Windows.
DRIVER := /proc/driver/nvidia/version /usr/lib/wsl/lib/libcuda.so.1
COMMA := ,
GPU := $(if $(wildcard $(DRIVER)),gpu)
extras = $(if $(1)$(GPU),[$(1)$(if $(1),$(if $(GPU),$(COMMA)))$(GPU)])

export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo "PYTHON=python3.12 chooses the interpreter, ARGS='--epochs=1' adds to the command, PYTEST_ARGS='-k corpus' to the tests'."

train: $(VENV)/.run-$(NAME) ## fine-tune on movie reviews; NSMC_DIR=folder with ratings_train.txt, else found or downloaded
	$(IN_VENV) -m nsmc_bert.train --flagfile=flags/default.flags $(if $(NSMC_DIR),--nsmc_dir="$(NSMC_DIR)") $(ARGS)

table: $(VENV)/.report-$(NAME) ## probe an encoder, ARGS='--data=FOLDER --encoder=FOLDER' or what ships, beside the published table
	$(IN_VENV) -m probing.run $(ARGS) --run_dir="$(RUN_DIR)"
	$(IN_VENV) -m probing.report "$(RUN_DIR)" --published --page="$(RUN_DIR)-report"

serve: $(VENV)/.serve-$(NAME) ## serve the classifier that ships over HTTP, with a page to try it; ARGS='--model=FOLDER --port=8501'
	$(IN_VENV) -m nsmc_bert.serve $(ARGS)

# hundreds of processes read the same modules: they need not compile each of them, whatever this user's setting
test: $(VENV)/.test-$(NAME) ## run the tests
	PYTHONDONTWRITEBYTECODE= $(IN_VENV) -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(VENV)/.lint-$(NAME) ## check the code's form and types
	"$(VENV)/bin/ruff" check .
	"$(VENV)/bin/ruff" format --check .
	"$(VENV)/bin/mypy"

# commands are left out, whose flags have the same names
docs: $(VENV)/.docs-$(NAME) ## write pages of the library's docstrings into build/docs
	"$(VENV)/bin/pdoc" --docformat google --output-directory build/docs nsmc_bert probing $(foreach name,train evaluate predict pretrain leaderboard serve export,!nsmc_bert.$(name)) $(foreach name,run convert report,!probing.$(name))

bench: $(VENV)/.bench-$(NAME) ## measure accuracy, speed and memory, and compare them with PyTorch's
	$(IN_VENV) -m tests.benchmarks $(ARGS)

campaign: $(VENV)/.test-$(NAME) ## damage the files of every reader 10,000 times, kill every command 100 times: takes hours
	$(IN_VENV) -m tests.campaign.hostile
	$(IN_VENV) -m tests.campaign.kills

clean: ## delete the environment, caches and build files; runs/ and models/ stay
	@if [ -e "$(VENV)/.made-by-make" ]; then rm -rf "$(VENV)"; fi
	rm -rf build dist *.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache
	find nsmc_bert probing tests -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# The environment. What says that a step is complete is a stamp, written last: a step that was cut off is done again.
$(VENV)/.made-$(NAME):
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
	  found=$$("$(PYTHON)" -c 'import sys; print("%d.%d.%d at %s" % (sys.version_info[:3] + (sys.executable,)))' 2>/dev/null); \
	  for other in python3.13 python3.12 python3.11 python3.10 ""; do $$other -c "" 2>/dev/null && break; done; \
	  echo "needs Python 3.10 to 3.13, found $${found:-no $(PYTHON)}; say which to use: make PYTHON=$${other:-python3.12}" >&2; exit 1; }
	@if [ -n "$$(ls -A "$(VENV)" 2>/dev/null)" ] && [ ! -e "$(VENV)/.made-by-make" ]; then \
	  echo "$(VENV) exists and was not made by make: remove it, or make another: make VENV=.venv-make" >&2; exit 1; fi
	@base=$$("$(PYTHON)" -c 'import os, sys; print(os.path.realpath(sys.executable))') && \
	mkdir -p "$(VENV)" && touch "$(VENV)/.made-by-make" && \
	find "$(VENV)" -mindepth 1 -maxdepth 1 ! -name .made-by-make -exec rm -rf {} + && \
	"$$base" -m venv "$(VENV)" && touch "$@"

# $(call install,EXTRA,STAMPS)
define install
	@echo "Installing into $(VENV), once: the first time fills 2.4 GB$(if $(GPU), and some more with CUDA's libraries) and takes some minutes."
	@$(IN_VENV) -m pip install --quiet --constraint constraints.txt --editable '.$(extras)'
	@touch $(2)
endef

$(VENV)/.run-$(NAME): $(INPUTS)
	$(call install,,"$@")

$(VENV)/.test-$(NAME): $(INPUTS)
	$(call install,test,"$@" "$(VENV)/.run-$(NAME)")

$(VENV)/.lint-$(NAME): $(INPUTS)
	$(call install,lint,"$@" "$(VENV)/.run-$(NAME)")

$(VENV)/.docs-$(NAME): $(INPUTS)
	$(call install,docs,"$@" "$(VENV)/.run-$(NAME)")

$(VENV)/.bench-$(NAME): $(INPUTS)
	$(call install,bench,"$@" "$(VENV)/.run-$(NAME)")

$(VENV)/.report-$(NAME): $(INPUTS)
	$(call install,report,"$@" "$(VENV)/.run-$(NAME)")

$(VENV)/.serve-$(NAME): $(INPUTS)
	$(call install,serve,"$@" "$(VENV)/.run-$(NAME)")
