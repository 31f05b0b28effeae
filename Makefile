# One word per action. `make demo` and `make test` are the two commands of the README.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready

.PHONY: setup demo test test-packages check lock bench clean system

setup: $(STAMP)

$(STAMP): locks/bootstrap.txt locks/dev.txt pyproject.toml
	@PYTHON=$(PYTHON) sh scripts/setup.sh $(VENV)
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/clearway demo $(if $(KEEP),--keep) $(if $(JSON),--json $(JSON))

system: $(STAMP)
	@sh scripts/system.sh

# Journeys want the machine for themselves: they count dropped requests and wait for canaries.
test: $(STAMP) system
	$(BIN)/pytest -n 2 --dist loadfile --ignore tests/journeys tests $(ARGS)
	$(BIN)/pytest tests/journeys $(ARGS)

# Real packages from the index and from npm, built and built again; the table goes into the documentation.
test-packages: $(STAMP) system
	CLEARWAY_PACKAGES=1 $(BIN)/pytest tests/packages $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/budgets.py
	$(BIN)/pytest -q tests/unit/docs

bench: $(STAMP)
	$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

# Refreshes the hash-checked locks from pyproject.toml; they name packages, versions and digests, nothing else.
lock: $(STAMP)
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --python-version 3.11 --group dev pyproject.toml -o locks/dev.txt
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--no-emit-find-links --python-version 3.11 pyproject.toml -o locks/runtime.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
