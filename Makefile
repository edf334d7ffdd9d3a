# Everything sets itself up: a fresh machine needs Python 3.10 or newer, and apt or pip for what is missing.
#
#   make demo     a real sweep on real data, in under a minute
#   make test     every test (quick: the fast ones; lint: style, types, import floors)
#   make browser  the dashboard in a real JupyterLab, driven by Chromium
#   make compat   the tests on other Pythons and other Jupyters: ROWS="colab lowest", PYTHONS=/where/more/interpreters/are
#   make chaos    kill something every second: SECONDS=600 SEED=7 (any seed, if none is given)
#   make bench    everything measured beside its peers, into benchmarks/RESULTS.md: ONLY="trials log" (those, if given)
#   make audit    known holes in what we depend on, of Python and of the front end (asks their public lists)
#   make js       the dashboard's front end, checked, tested and built (make demo builds it where Node is)

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test quick compat chaos lint format notebooks screenshots bench browser chromium postgresql audit js wheel clean help
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.installed
	@$(BIN)/sweepwidget --store $${SWEEPWIDGET_STORE:-sweepwidget-data/demo.db} demo

test: $(VENV)/.test
	$(BIN)/pytest -n $${TEST_WORKERS:-2} --dist loadgroup --ignore tests/browser

quick: $(VENV)/.test
	$(BIN)/pytest -n 2 --dist loadgroup -m "not slow" --ignore tests/browser

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

notebooks: $(VENV)/.test
	$(BIN)/pytest tests/test_notebooks.py

browser: $(VENV)/.test $(VENV)/.browser chromium js/node_modules/.installed
	cd js && npm run --silent build
	@$(BIN)/python -c "import playwright.sync_api"   # without it the journeys would be skipped
	$(BIN)/pytest tests/test_report.py js/test/test_page.py tests/browser

screenshots: $(VENV)/.browser chromium js/node_modules/.installed
	cd js && npm run --silent build
	$(BIN)/python notebooks/screenshot.py

chromium:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	  || { apt-get update -q && apt-get install -y -q --no-install-recommends chromium; }

postgresql:
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null \
	  || { apt-get update -q && apt-get install -y -q --no-install-recommends postgresql; }

compat: $(VENV)/.test
	$(BIN)/python tests/compat.py $(ROWS)

chaos: $(VENV)/.test
	PYTHONPATH=tests $(BIN)/python -m faults.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

audit: $(VENV)/.audit js/node_modules/.installed
	$(BIN)/pip-audit --skip-editable
	cd js && npm audit --omit=optional

js: js/node_modules/.installed
	cd js && npm run --silent check && npm run --silent test && npm run --silent build

js/node_modules/.installed: js/package-lock.json
	cd js && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

wheel: $(VENV)/.lint
	rm -rf dist && $(BIN)/python -m build --outdir dist .

# What cannot be had (Node, Chromium, a PostgreSQL server) is said in the rows that need it.
bench: $(VENV)/.bench $(VENV)/.browser
	$(if $(ONLY),,-$(MAKE) --no-print-directory --keep-going chromium postgresql js/node_modules/.installed)
	$(if $(ONLY),,-cd js && npm run --silent build)
	$(BIN)/python -m benchmarks $(ONLY)

clean:
	rm -rf $(VENV) .venv-compat build dist sweepwidget-data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# -- set-up: each stamp says that a group of packages is installed ------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "sweepwidget needs Python 3.10 or newer; try: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); apt-get update -q && apt-get install -y -q python3-venv && $(PYTHON) -m venv $(VENV); }
	@$(BIN)/pip install -q --upgrade "pip>=25.1"   # 25.1 knows dependency groups

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q -e .
	@touch $@

$(VENV)/.test $(VENV)/.lint $(VENV)/.bench $(VENV)/.browser $(VENV)/.audit: $(VENV)/.%: $(VENV)/.installed
	$(BIN)/pip install -q --group $*
	@touch $@
