# Every target makes what it needs: a virtual environment in .venv, an installed build, the tools.
# Run `make help` for the list.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
export PATH := $(abspath $(BIN)):$(PATH)

SOURCES := $(shell find src -type f -not -name '*.pyc') meson.build meson.options pyproject.toml README.md LICENSE

# What is compiled stays in a folder of build/: after an edit, only what depends on it is built.
in_folder = --no-build-isolation -Cbuild-dir=build/$(1) $(addprefix -Csetup-args=,$(2))
LEVELS ?= all

# What a list of pyproject.toml requires, a line each.
requirements = $(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))$(1), sep="\n")'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build demo examples test-quick test test-isa test-safe test-scipy test-skimage test-dask-image fuzz coverage lint docs \
        bench bench-publish bench-check compare fit clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/build-tools: $(BIN)/python pyproject.toml
	$(call requirements,["build-system"]["requires"]) > $@
	$(PIP) install --requirement $@

$(VENV)/lint-tools: $(VENV)/build-tools
	$(call requirements,["project"]["optional-dependencies"]["lint"]) > $@
	$(PIP) install --requirement $@

# A wheel of all levels, built when a source changed; each target adds the extra that it needs.
$(VENV)/wheel: $(VENV)/build-tools $(SOURCES)
	@rm -rf $@ $(VENV)/editable-*
	$(PIP) wheel --no-deps --wheel-dir $@ $(call in_folder,all) .
	@$(PIP) uninstall --yes ndconv

$(VENV)/installed-%: $(VENV)/wheel pyproject.toml
	$(PIP) install "$$(ls $(VENV)/wheel/ndconv-*.whl)[$*]"
	@touch $@

# The sources in the place of a wheel: Python as it is, the rest built whenever it is out of date at import.
define install_sources
@rm -rf $(VENV)/wheel $(VENV)/installed-* $(VENV)/editable-*
$(PIP) install $(1) --editable ".[$(2)]"
@touch $@
endef

$(VENV)/editable-$(LEVELS): $(VENV)/build-tools pyproject.toml
	$(call install_sources,$(call in_folder,$(LEVELS),-Dlevels=$(LEVELS)),test)

# With counters, at the level that every machine has.
$(VENV)/editable-coverage: $(VENV)/build-tools pyproject.toml
	$(call install_sources,$(call in_folder,coverage,-Dlevels=baseline -Db_coverage=true),coverage)

# With every contract of the kernels checked, and every index that Cython or C knows the bounds of.
$(VENV)/editable-safe: $(VENV)/build-tools pyproject.toml
	$(call install_sources,$(call in_folder,safe,-Dlevels=baseline -Dsafe=true),test)

build: $(VENV)/editable-$(LEVELS)  ## Install the sources: an edit builds what depends on it alone; LEVELS=x86-64-v3 for one level
	$(BIN)/ninja -C build/$(LEVELS)

demo: $(VENV)/installed-demo  ## Run layers on a real ECG, photograph and MRI, check them against SciPy, draw them
	$(BIN)/python examples/demo.py

examples: $(VENV)/installed-examples  ## Run the scripts of the gallery, and write their pictures to output/
	$(BIN)/python examples/run_gallery.py

test-quick: build  ## Run a sample of all tests, on the sources
	$(BIN)/python -m pytest --quick --numprocesses auto

test: $(VENV)/installed-test  ## Run the tests at the best instruction-set level of this machine
	$(BIN)/python -m pytest --numprocesses auto

test-isa: $(VENV)/installed-test  ## Run the tests at the other instruction-set levels of this machine, by OpenMP's threads
	@engine=$$($(BIN)/python -c 'from ndconv._threads import tasks; print("openmp" if tasks.openmp_version else "crew")'); \
	for level in $$($(BIN)/python -c 'from ndconv import _core; print(*_core.supported_levels()[:-1])'); do \
	    echo "== $$level, $$engine"; \
	    NDCONV_ISA=$$level NDCONV_THREADING=$$engine $(BIN)/python -m pytest --numprocesses auto --quiet || exit 1; \
	done

test-safe: $(VENV)/editable-safe  ## Run the tests on a build that checks what its kernels rely on; TESTS=--quick for a sample
	$(BIN)/ninja -C build/safe
	$(BIN)/python -m pytest --numprocesses auto --quiet $(TESTS)

test-scipy: $(VENV)/installed-test  ## Run SciPy's own tests with ndconv's drop-ins in the place of SciPy's functions
	PYTHONPATH=tests $(BIN)/python -m pytest -c tests/support/scipy_standin.ini --numprocesses auto --quiet --every-drop-in \
	    --pyargs scipy.signal.tests.test_signaltools scipy.signal.tests.test_savitzky_golay \
	    scipy.signal.tests.test_upfirdn scipy.ndimage.tests.test_filters

# Other libraries' tests run in environments of their own, which have what that release wants. Tests of data that it
# would download fail on both sides.
build/skimage/installed build/dask-image/installed: build/%/installed: $(VENV)/wheel
	$(PYTHON) -m venv --clear build/$*
	$(call install_$*,build/$*/bin/python -m pip --quiet --disable-pip-version-check,build/$*)
	@touch $@

with_ndconv = $(VENV)/wheel/ndconv-*.whl pytest pytest-xdist
install_skimage = $(1) install scikit-image==0.25.2 pooch $(with_ndconv)

# Its tests come with its sources alone.
define install_dask-image
$(1) download --no-deps --no-binary dask-image --dest $(2) dask-image==2026.5.0
$(1) install $(2)/dask_image-*.tar.gz $(with_ndconv)
tar --extract --directory $(2) --file $(2)/dask_image-*.tar.gz --strip-components 1 --wildcards '*/tests'
endef

SKIMAGE := $(addprefix skimage.,filters feature restoration segmentation metrics registration)
test-skimage: build/skimage/installed  ## Run scikit-image's own tests with SciPy, and with ndconv patched in: none may fail only so
	build/skimage/bin/python tests/support/downstream.py $(SKIMAGE)

DASK_IMAGE := build/dask-image/tests/test_dask_image/test_ndfilters
test-dask-image: build/dask-image/installed  ## Run dask-image's tests of its filters the same way
	build/dask-image/bin/python tests/support/downstream.py $(DASK_IMAGE)

SECONDS ?= 600
SEED    ?= 0
fuzz: $(VENV)/installed-test  ## Compare random calls of everything with answers of others, for SECONDS=600 from SEED=0
	PYTHONPATH=tests $(BIN)/python -m fuzz --seconds $(SECONDS) --seed $(SEED)

# To gcovr, Cython's functions are internal ones and its own fragments have no source; threads lose a count now and then.
coverage: $(VENV)/editable-coverage  ## Report the lines that tests run, to output/coverage too; TESTS=--quick for a sample
	@rm -rf output/coverage && mkdir -p output/coverage/compiled
	@find build/coverage -name '*.gcda' -delete
	$(BIN)/coverage run -m pytest --numprocesses auto $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage html --quiet
	$(BIN)/coverage report
	$(BIN)/gcovr --root src --object-directory build/coverage --include-internal-functions --merge-lines \
	    --gcov-ignore-errors=source_not_found --gcov-ignore-parse-errors=negative_hits.warn \
	    --html-details output/coverage/compiled/index.html --txt

lint: $(VENV)/lint-tools  ## Check style and types (ruff, cython-lint, mypy)
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
