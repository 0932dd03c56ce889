PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links pyproject.toml

PORT ?= 8800
OPEN ?= 1
HEADLESS ?= 0

WORKERS ?= auto
# Module by module, in the order of tests/conftest.py.
SPREAD := -n $(WORKERS) --no-loadscope-reorder

KILLS ?= 1000
SEED ?=
WEATHER ?= 1

.PHONY: sandbox screenshots test quick campaign bench check documents lock clean

sandbox: $(VENV)/.sandbox  ## the real bot in a Discord of its own; PORT=, OPEN=0, HEADLESS=1
ifeq ($(HEADLESS),1)
	$(BIN)/python -m sandbox --headless
else
	$(BIN)/python -m sandbox --port $(PORT) $(if $(filter 0,$(OPEN)),--no-open)
endif

screenshots: $(VENV)/.installed  ## make the pictures in docs/ anew (needs Chromium)
	$(BIN)/python -m tests.browser.screenshots

test: $(VENV)/.installed  ## run all tests; WORKERS=0: one after the other
	$(BIN)/python -m pytest $(SPREAD)

quick: $(VENV)/.installed  ## run the tests that start no bot; PYTHON= and VENV= choose another Python
	$(BIN)/python -m pytest $(SPREAD) tests/unit tests/sandbox

campaign: $(VENV)/.installed  ## kill -9 under load; KILLS=, SEED=, WEATHER=0 without faults
	$(BIN)/python -m tests.e2e.campaign --kills $(KILLS) $(if $(SEED),--seed $(SEED)) \
		$(if $(filter 0,$(WEATHER)),,--weather)

bench: $(VENV)/.installed  ## measure the bot beside a bare one; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

check: $(VENV)/.installed  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

documents: $(VENV)/.installed  ## write what .env.example and the README say of the settings
	$(BIN)/python -m tests.documents

lock: $(VENV)/.installed  ## compile the locks anew from pyproject.toml
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --group sandbox --output-file requirements-sandbox.txt
	$(COMPILE) --group dev --output-file requirements-dev.txt

clean:
	rm -rf $(VENV) .venv-3.* sandbox-out test-output

# What the page needs is a fraction of what the tests need.
$(VENV)/.sandbox: requirements-sandbox.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r $<
	touch $@

$(VENV)/.installed: requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r $<
	touch $@ $(VENV)/.sandbox
