# Two commands do everything on a bare machine with Python 3.11+: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed
FREEZE = $(BIN)/uv pip compile -q --no-header --no-annotate --all-extras pyproject.toml

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
	$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python -c constraints.txt -e ".[dev,demo,formats,map,ray,skos]"
	@touch $@

demo: $(INSTALLED)
	$(BIN)/sortal demo --workspace demo/workspace

# Four processes of one thread each on two cores, since tests wait for servers, and the files that
# take longest (tests/flows) first. Compiled modules are kept: a thousand processes import ours.
test: lint
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: # of Python 3.11, and what newer ones need besides
	$(FREEZE) --upgrade --python-version 3.11 -o constraints.txt
	$(FREEZE) --python-version 3.14 -c constraints.txt >> constraints.txt
	LC_ALL=C sort -u -t= -k1,1 -o constraints.txt constraints.txt

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
