# `make demo` runs the main job and `make test` the tests; each sets up .venv first, once. `make docs`
# builds the guide; `make bench` measures speed, in an environment with the contenders; `make learn`
# measures what defaults learn.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
BENCH := .venv-bench
ROCKET := .venv-rocket
OLDEST := .venv-oldest
EXTRAS := .venv-extras
EXAMPLES := .venv-examples
MPI := .venv-mpi
DIST := .venv-dist

# What runs the tests, at the versions of pyproject.toml.
TESTING = $(shell grep -oE '(pytest|hypothesis)==[^"]+' pyproject.toml)

.PHONY: demo test test-checked test-widths test-mutants test-arm test-mpi test-oldest test-examples test-extras attack bench learn docs dist coverage check format clean

demo: $(VENV)/.plot
	mkdir -p demo
	$(BIN)/elman train digits --output demo/digits.safetensors --plot demo/learning-curve.png
	$(BIN)/elman explain demo/digits.safetensors digits --index 7 --html demo/explanation.html
	$(BIN)/elman explain --index 3 --html demo/notes.html
	@echo "next: open demo/notes.html (the notes' network, a loss at each step) and"
	@echo "      demo/explanation.html (the model above) in a browser; . $(BIN)/activate; elman --help"

# Each process takes tests that stand beside each other, as these share what one of them compiles, and
# then takes half of what another still has.
test: $(VENV)/.dev
	$(BIN)/python tests/kernels.py
	$(BIN)/pytest -q -n auto --dist worksteal

# Of engines' tests those whose programs checked mode changes.
test-checked: export NUMBA_BOUNDSCHECK = 1
test-checked: $(VENV)/.dev
	$(BIN)/python tests/kernels.py
	$(BIN)/pytest -q -n auto --dist worksteal tests/engines -k "not reference" --ignore tests/engines/compiled/machine/test_compiling.py

test-widths: $(VENV)/.dev
	$(BIN)/python tests/widths.py $(ARGS)

test-mutants: $(VENV)/.dev
	$(BIN)/python tests/mutants.py $(ARGS)

test-arm: | $(VENV)/.made
	PYTHON=$(BIN)/python tests/arm.sh

test-mpi: $(MPI)/.mpi
	$(MPI)/bin/python -m pytest -q tests/mpi

# A warning is no failure here: others' newest releases may find fault with others' oldest.
test-oldest: export NUMBA_CACHE_DIR = $(CURDIR)/$(OLDEST)/numba
test-oldest: $(OLDEST)/.dev
	$(OLDEST)/bin/python tests/kernels.py
	$(OLDEST)/bin/pytest -q -n auto --dist worksteal -W default --disable-warnings

# Optuna and MLflow as the examples use them. Elsewhere these tests skip, here neither may be missing.
test-examples: $(EXAMPLES)/.examples
	$(EXAMPLES)/bin/python -c "import mlflow, optuna"
	$(EXAMPLES)/bin/pytest -q tests/test_examples.py

# What `test` has to skip: PyTorch and Keras read what elman writes, Optuna and MLflow watch it train. The
# packages are imported first, as tests skip themselves where one is not there: here none may.
test-extras: export KERAS_BACKEND := torch
test-extras: $(EXTRAS)/.consumers
	$(EXTRAS)/bin/python -c "import keras, mlflow, optuna, torch"
	$(EXTRAS)/bin/pytest -q -n auto -k "torch or keras or optuna or mlflow" tests/test_examples.py \
		tests/exporting/test_torch.py tests/exporting/test_keras.py tests/exporting/test_front_end.py

attack: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python -m attack $(ARGS)

bench: $(BENCH)/.bench
	$(BENCH)/bin/python -m benchmarks --output bench $(ARGS)

# The other contenders' environments are made when one is needed: results are kept in bench/learn.
learn: $(VENV)/.plot
	$(BIN)/python -m benchmarks.learn $(ARGS)

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --fresh-env --fail-on-warning --keep-going --nitpicky docs docs/_build/html
	@echo "next: open docs/_build/html/index.html"

# The wheel is built from the source archive, and a part of the tests runs on it, away from src/.
dist: $(VENV)/.dev
	rm -rf dist $(DIST)
	$(BIN)/python -m build
	$(PYTHON) -m venv $(DIST)
	$(DIST)/$(notdir $(BIN))/pip install --quiet --disable-pip-version-check dist/*.whl $(TESTING)
	$(DIST)/$(notdir $(BIN))/python -c "import elman; assert 'site-packages' in elman.__file__"
	$(DIST)/$(notdir $(BIN))/elman --version
	$(DIST)/$(notdir $(BIN))/python -m pytest -q -p no:cacheprovider tests/test_network.py \
		tests/test_persistence.py tests/test_main.py::test_module_is_the_command

# Lines that no test reaches. Compiled functions are left out: coverage.py cannot see into them.
coverage: $(VENV)/.dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n auto $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) $(OLDEST) $(EXAMPLES) $(EXTRAS) $(BENCH) $(MPI) $(DIST) $(ROCKET) .arm demo bench dist docs/_build docs/gallery .pytest_cache .mypy_cache .ruff_cache .hypothesis

# What is installed, for `demo` (plot) and for `test` (dev, which includes plot). Stamps keep later
# runs off the network.
$(VENV)/.plot: pyproject.toml | $(VENV)/.made
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[plot]'
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.made
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.plot

$(VENV)/.docs: pyproject.toml | $(VENV)/.made
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@ $(VENV)/.plot

$(VENV)/.made:
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

# Every lower bound of pyproject.toml becomes the one release that is installed.
$(OLDEST)/.dev: pyproject.toml
	$(PYTHON) -m venv --clear $(OLDEST)
	grep -oE '"[^"<>=]+>=[^"]+"' pyproject.toml | tr -d '"' | sed 's/>=/==/' > $(OLDEST)/lowest.txt
	$(OLDEST)/bin/pip install --quiet --disable-pip-version-check --constraint $(OLDEST)/lowest.txt \
		--editable '.[dev]'
	touch $@

$(EXAMPLES)/.examples: pyproject.toml
	$(PYTHON) -m venv --clear $(EXAMPLES)
	$(EXAMPLES)/bin/pip install --quiet --disable-pip-version-check --editable '.[examples]'
	touch $@

$(EXTRAS)/.consumers: pyproject.toml
	$(PYTHON) -m venv --clear $(EXTRAS)
	$(EXTRAS)/bin/pip install --quiet --disable-pip-version-check \
		--editable '.[consumers]'
	touch $@

$(MPI)/.mpi: pyproject.toml
	$(PYTHON) -m venv --clear $(MPI)
	$(MPI)/bin/pip install --quiet --disable-pip-version-check --editable '.[mpi]' $(TESTING)
	touch $@

$(BENCH)/.bench: pyproject.toml benchmarks/requirements.txt
	$(PYTHON) -m venv --clear $(BENCH)
	$(BENCH)/bin/pip install --quiet --disable-pip-version-check --editable '.[plot]' \
		--requirement benchmarks/requirements.txt
	touch $@

$(ROCKET)/.rocket: benchmarks/learn/requirements.txt
	$(PYTHON) -m venv --clear $(ROCKET)
	$(ROCKET)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@
