# Everything starts here: `make run` and `make test` set the machine up first. No path below is absolute and no
# venv script is called by name, so the directory may be called anything, spaces included.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
# torch and NumPy threads beside a switch and four workers only get in each other's way.
export OMP_NUM_THREADS ?= 1
PYTEST := $(PY) -m pytest
P4_TOPS := $(wildcard p4src/allreduce_*.p4) p4src/float_ops.p4 \
    $(addprefix p4src/query_,$(addsuffix .p4,distinct filter group_extreme group_sum having join topn))
P4_JSON := $(P4_TOPS:p4src/%.p4=build/p4/%.json)
COMPILER := $(shell find emulator/compiler -name '*.py' 2>/dev/null)

.PHONY: setup run test test-slow check p4 golden bench clean help

setup: ## make .venv, install what is missing, build the C part (all other targets do it themselves)
	@scripts/setup.sh

run: setup ## train the digits network with every aggregator over a Mininet star and compare
	@$(PY) -m fpisa.cli run $(ARGS)

test: setup ## run the tests on two cores (what owns networks runs in turn); ARGS goes to pytest
	@$(PYTEST) -n 2 --dist loadgroup -m "not slow" $(ARGS)

test-slow: setup ## run the long soaks and sweeps as well
	@$(PYTEST) -n 2 --dist loadgroup $(ARGS)

check: setup ## ruff and mypy
	@$(PY) -m ruff check .
	@$(PY) -m mypy

p4: setup $(P4_JSON) ## compile the P4 programs into build/p4

build/p4/%.json: p4src/%.p4 $(wildcard p4src/*.p4) $(COMPILER)
	@mkdir -p build/p4
	@$(PY) -m fpisa.cli compile $< -o $@ --p4runtime-files build/p4/$*.p4info.txtpb

golden: setup ## replay the golden suite recorded from the reference compiler and switch
	@$(PYTEST) -n 2 --dist loadgroup -k golden $(ARGS)

bench: setup ## measure and write results/bench.json
	@$(PY) -m benchmarks.run $(ARGS)

clean: ## remove what was built, and networks a crashed run left behind
	@[ ! -x $(PY) ] || $(PY) -m emulator.topo.cleanup
	@rm -rf build .venv *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +
	@find emulator/native -name '*.so' -delete

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile
