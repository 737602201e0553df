# Two commands do everything on a bare machine with Python 3.11+: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed

.PHONY: help install demo test lint format constraints clean

help:
	@echo "make demo         sort a real collection: named clusters, a report, a SQL answer"
	@echo "make test         lint and the whole test suite"
	@echo "make lint         ruff and mypy"
	@echo "make format       format the code with ruff"
	@echo "make constraints  choose new versions of everything, within pyproject's ranges"

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sortal needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "uv>=0.7"
	$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python -c constraints.txt -e ".[dev,demo]"
	@touch $@

demo: $(INSTALLED)
	$(BIN)/sortal demo --workspace demo/workspace

# Two processes of one thread each, and the files that take longest (tests/flows) first.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints:
	$(BIN)/uv pip compile -q --upgrade --no-header --no-annotate --python-version 3.11 \
	  --extra dev --extra demo pyproject.toml -o constraints.txt

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
