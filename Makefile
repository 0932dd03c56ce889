PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links pyproject.toml

PORT ?= 8800
OPEN ?= 1
HEADLESS ?= 0
COMMAND ?=

WORKERS ?= auto
# Module by module, in the order of tests/conftest.py.
SPREAD := -n $(WORKERS) --no-loadscope-reorder

KILLS ?= 1000
SEED ?=
WEATHER ?= 1
DATABASE ?= sqlite

.PHONY: sandbox screenshots test quick campaign bench check documents lock clean

sandbox: $(VENV)/.sandbox  ## the bot in a Discord of its own; PORT=, OPEN=0, HEADLESS=1, COMMAND=
ifeq ($(HEADLESS),1)
	@$(BIN)/python -m sandbox --headless
else
	@echo "Starting the page and the bot ..."
	@$(BIN)/python -m sandbox --port $(PORT) $(if $(filter 0,$(OPEN)),--no-open) $(if $(COMMAND),--command '$(COMMAND)')
endif

screenshots: $(VENV)/.installed  ## make the pictures in docs/ anew (needs Chromium)
	$(BIN)/python -m tests.browser.screenshots

test: $(VENV)/.installed  ## run all tests; WORKERS=0: one after the other
	$(BIN)/python -m pytest $(SPREAD)

quick: $(VENV)/.installed  ## run the tests that start no bot; PYTHON=, VENV=, SELECT=
	$(BIN)/python -m pytest $(SPREAD) tests/unit tests/sandbox $(if $(SELECT),-k "$(SELECT)")

campaign: $(VENV)/.installed  ## kill -9 under load; KILLS=, SEED=, WEATHER=0, DATABASE=postgres
	$(BIN)/python -m tests.e2e.campaign --kills $(KILLS) $(if $(SEED),--seed $(SEED)) \
		$(if $(filter 0,$(WEATHER)),,--weather) --database $(DATABASE)

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
	$(COMPILE) --extra postgres --output-file requirements-postgres.txt
	$(COMPILE) --group sandbox --output-file requirements-sandbox.txt
	$(COMPILE) --extra postgres --group dev --output-file requirements-dev.txt

clean:
	rm -rf $(VENV) .venv-3.* sandbox-out test-output

# Check what is there, say what is done, and install what a lock names. uv takes a second where pip
# takes twenty, but reads none of pip's configuration: where it finds a package nowhere, pip does.
# Python compiles a module when it is first imported: compiling all of them would take longer.
define install
	@$(PYTHON) -c '' 2>/dev/null || { echo "There is no $(PYTHON). Install Python 3.11 or newer, or name it with PYTHON=." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "This needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version). Name another with PYTHON=python3.12." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv is missing. On Debian and Ubuntu: sudo apt install python$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv" >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing the $$(grep -c '==' $(1)) packages of $(1) (seconds where they are cached, else a minute) ..."
	@awk '/^[a-z]/ { found = /^uv==/ } found' requirements-dev.txt >$(VENV)/uv.txt
	@{ $(PIP) -r $(VENV)/uv.txt && $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r $(1); } \
		|| $(PIP) -r $(1)
endef

# What the page needs is a fraction of what the tests need.
$(VENV)/.sandbox: requirements-sandbox.txt
	$(call install,$<)
	@touch $@

$(VENV)/.installed: requirements-dev.txt
	$(call install,$<)
	@touch $@ $(VENV)/.sandbox
