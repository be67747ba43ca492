# Every target makes what it needs: a virtual environment in .venv, an installed build, the tools.
# Run `make help` for the list.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
export PATH := $(abspath $(BIN)):$(PATH)

SOURCES := $(shell find src -type f -not -name '*.pyc') meson.build meson.options pyproject.toml README.md LICENSE

# What is compiled stays in a folder of build/ for the levels asked for: after an edit, only what depends on it is built.
LEVELS ?= all
in_build = --no-build-isolation -Cbuild-dir=build/$(1) -Csetup-args=-Dlevels=$(1)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build demo examples test test-isa test-scipy fuzz lint docs bench bench-publish bench-check compare fit \
        clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/build-tools: $(BIN)/python pyproject.toml
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' > $@
	$(PIP) install --requirement $@

# A wheel of all levels, built when a source changed; each target adds the extra that it needs.
$(VENV)/wheel: $(VENV)/build-tools $(SOURCES)
	@rm -rf $@ $(VENV)/editable-*
	$(PIP) wheel --no-deps --wheel-dir $@ $(call in_build,all) .
	@$(PIP) uninstall --yes ndconv

$(VENV)/installed-%: $(VENV)/wheel pyproject.toml
	$(PIP) install "$$(ls $(VENV)/wheel/ndconv-*.whl)[$*]"
	@touch $@

# The sources in the place of a wheel: Python as it is, the rest built whenever it is out of date at import.
$(VENV)/editable-$(LEVELS): $(VENV)/build-tools pyproject.toml
	@rm -rf $(VENV)/wheel $(VENV)/installed-* $(VENV)/editable-*
	$(PIP) install $(call in_build,$(LEVELS)) --editable ".[test]"
	@touch $@

build: $(VENV)/editable-$(LEVELS)  ## Install the sources, so that an edit builds what depends on it alone; LEVELS=x86-64-v3 for one level
	$(BIN)/ninja -C build/$(LEVELS)

demo: $(VENV)/installed-demo  ## Run layers on a real ECG, photograph and MRI, check them against SciPy, draw them
	$(BIN)/python examples/demo.py

examples: $(VENV)/installed-examples  ## Run the scripts of the gallery, and write their pictures to output/
	$(BIN)/python examples/run_gallery.py

test: $(VENV)/installed-test  ## Run the tests at the best instruction-set level of this machine
	$(BIN)/python -m pytest --numprocesses auto

test-isa: $(VENV)/installed-test  ## Run the tests at the other instruction-set levels of this machine, by OpenMP's threads
	@engine=$$($(BIN)/python -c 'from ndconv._threads import tasks; print("openmp" if tasks.openmp_version else "crew")'); \
	for level in $$($(BIN)/python -c 'from ndconv import _core; print(*_core.supported_levels()[:-1])'); do \
	    echo "== $$level, $$engine"; \
	    NDCONV_ISA=$$level NDCONV_THREADING=$$engine $(BIN)/python -m pytest --numprocesses auto --quiet || exit 1; \
	done

test-scipy: $(VENV)/installed-test  ## Run SciPy's own tests with ndconv's drop-ins in the place of SciPy's functions
	PYTHONPATH=tests $(BIN)/python -m pytest -c tests/scipy_standin.ini --numprocesses auto --quiet --every-drop-in \
	    --pyargs scipy.signal.tests.test_signaltools scipy.signal.tests.test_upfirdn scipy.ndimage.tests.test_filters

SECONDS ?= 600
SEED    ?= 0
fuzz: $(VENV)/installed-test  ## Compare random calls of everything with answers of others, for SECONDS=600 from SEED=0
	$(BIN)/python tests/fuzz.py --seconds $(SECONDS) --seed $(SEED)

lint: $(VENV)/installed-lint  ## Check style and types (ruff, cython-lint, mypy)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/cython-lint src/ndconv/_core src/ndconv/_threads
	$(BIN)/mypy

docs: $(VENV)/installed-docs  ## Build the HTML documentation, warnings as errors
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

bench: $(VENV)/installed-bench  ## Run a quick pass of the benchmarks
	cd asv_benches && ../$(BIN)/asv machine --yes > /dev/null
	cd asv_benches && ../$(BIN)/asv run --quick --environment existing:../$(BIN)/python --show-stderr

bench-publish: $(VENV)/installed-bench  ## Record the benchmarks of this commit and make the HTML dashboard
	cd asv_benches && ../$(BIN)/asv machine --yes > /dev/null
	cd asv_benches && ../$(BIN)/asv run HEAD^! && ../$(BIN)/asv publish

bench-check: $(VENV)/installed-bench  ## Publish the dashboard and open it in headless Chromium
	$(BIN)/python asv_benches/dashboard_check.py

compare: $(VENV)/installed-compare  ## Measure ndconv beside its peers (PyTorch joins if it is installed in .venv)
	$(BIN)/python asv_benches/compare.py --json output/compare.json --plot output/compare.png

fit: $(VENV)/installed-bench  ## Fit the constants by which "auto" chooses a method to this machine
	$(BIN)/python asv_benches/fit.py

clean:  ## Remove everything that the other targets made
	rm -rf $(VENV) build docs/_build docs/gallery asv_benches/.asv output
