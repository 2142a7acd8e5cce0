# Everything runs in .venv, which is made when it's missing or older than pyproject.toml.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# One thread per test process: two such processes beat one with two threads.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: demo test fast hidden check lint format types bench notebooks readme cards docs examples clean
.DEFAULT_GOAL := test

demo: $(READY)  ## what each technique buys on 200 handwritten digits: table and report, in a few minutes
	$(BIN)/bakeoff ablate --task digits

test: $(READY)  ## every test
	$(PYTEST)

fast: $(READY)  ## the tests that take under a minute together
	$(PYTEST) -m "not slow"

# Tests that look at data sets or execute the pages, which do.
LOOK := grep -lE 'import .*\b(DATA|needs|examples)\b' tests/test_*.py

hidden: $(READY)  ## what a machine without data sets can run: the fast tests, and the slow ones that look at data
	BAKEOFF_DATA=$$(mktemp -d) $(PYTEST) -m "not slow"
	BAKEOFF_DATA=$$(mktemp -d) $(PYTEST) -m slow $$($(LOOK))

check: lint format types

lint: $(READY)
	$(BIN)/ruff check

format: $(READY)
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/mypy

bench: $(READY)  ## ratios against what they replace, on this machine
	$(BIN)/python -m bench

notebooks: $(READY)  ## execute them from fresh kernels and keep what comes out
	$(BIN)/python notebooks/run.py

readme: $(READY)  ## the README's table and picture, from studies/
	$(BIN)/python docs/readme.py

cards: $(READY)  ## the pages and pictures under docs/cards, from the techniques' cards
	$(BIN)/python docs/cards.py

docs: $(READY)  ## the site, in build/site; warnings are errors
	$(BIN)/python -m docs.site.build

examples: $(READY)  ## execute what the site's pages show, and put what it prints into them
	OMP_NUM_THREADS=1 $(BIN)/python -m docs.site.examples

clean:
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests bench notebooks -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "bakeoff needs Python >= 3.11; '$(PYTHON)' is not on the PATH" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("bakeoff needs Python >= 3.11 and $(PYTHON) is %d.%d; say which to use: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "Making .venv: PyTorch is several gigabytes, so the first time takes a few minutes."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check $(if $(CI),--quiet) --editable '.[test]'
	@touch $@
