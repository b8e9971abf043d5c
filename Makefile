# Everything a newcomer needs: `make demo` and `make test` work on a fresh machine with Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format bench clean

help: ## say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

install: $(STAMP) ## make .venv with everything in it

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group dev
	@touch $@

demo: $(STAMP) ## the whole argument, in five minutes: what compounds, what is capped
	$(BIN)/evolve demo

# where byte code is forbidden, each of some hundred processes would compile our 50,000 lines anew; and a second thread
# of OpenBLAS would spin beside the other workers
test: export PYTHONDONTWRITEBYTECODE =
test: $(STAMP) ## the tests, but for slow ones, which make bench runs
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow and not measuring" --numprocesses auto
	$(BIN)/python -m pytest -m "not slow and measuring"

lint: $(STAMP) ## style, types, and the three floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## put the source into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## the slow tests, and all figures of benchmarks/RESULTS.md (leave it a quiet machine)
	$(BIN)/python -m pytest -m slow
	$(BIN)/evolve doctor --full --results benchmarks/RESULTS.md
	$(BIN)/evolve verdict --controls --loops 20 --results benchmarks/RESULTS.md
	$(BIN)/evolve bench --evolve --compare --within 12h --results benchmarks/RESULTS.md --picture .github/roofline.svg
	for loop in engine policy search model tricks "batching --laps 14" "replicators --laps 9"; do $(BIN)/evolve loop $$loop || exit 1; done
	$(BIN)/evolve loop growth --results benchmarks/RESULTS.md --picture .github/growth.svg
	$(BIN)/python -m benchmarks.suites.search --results benchmarks/RESULTS.md

clean: ## remove what was made here
	rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist
