PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links pyproject.toml

.PHONY: sandbox test check lock clean

sandbox: $(VENV)/.installed  ## run the real bot against a loopback Discord and API
	$(BIN)/python -m sandbox

test: $(VENV)/.installed  ## run all tests
	$(BIN)/python -m pytest

check: $(VENV)/.installed  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

lock: $(VENV)/.installed  ## compile the locks anew from pyproject.toml
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --group dev --output-file requirements-dev.txt

clean:
	rm -rf $(VENV) sandbox-out test-output

$(VENV)/.installed: requirements-dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt
	touch $@
