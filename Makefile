# `make demo`, `make test` and `make test-slow` do all the set-up from a bare clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(shell cat requirements.txt requirements-dev.txt pyproject.toml | cksum | cut -d' ' -f1)

EXTRAS := grounding similar reader serve video large pages
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: demo test test-slow fuzz check env clean docs figures kills $(EXTRAS:%=test-%)

# The demo reads a photograph, too; the tests do without what that needs.
demo: env
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -q -r requirements/reader.txt
	$(BIN)/python examples/demo/demo.py

test: check
	$(PYTEST)

# What takes more than ten seconds a test: whole trainings, kills, the wheel. Fifteen minutes on two cores.
test-slow: env
	$(PYTEST) -m 'slow and not fuzz and not kill'

# Mutated pictures, files and turns by the thousand.
fuzz: env
	$(PYTEST) -m fuzz

# A hundred random kills of eval, collect, judge, probe make and train.
kills: env
	$(PYTEST) -m kill

# `make test-EXTRA`: what an extra brings, in an environment of its own. In order: the second system; pictures like an
# example; the policy that reads photographs; the web app in Debian's chromium, with made-up requests and a real
# agent; clips; pictures beyond memory; pages in chromium, at two widths, light and dark (MINI_O3_SCREENSHOTS names
# a folder for pictures of them).
TESTS_grounding := tests/grounding tests/test_layers.py
TESTS_similar := tests/finding
TESTS_reader := tests/policies/reader tests/test_layers.py
TESTS_serve := tests/serve
TESTS_video := tests/finding tests/vision tests/slow/test_hostile.py
TESTS_large := tests/vision tests/test_light.py
TESTS_pages := tests/show/test_pages_in_a_browser.py
$(EXTRAS:%=test-%): test-%: requirements.txt requirements-dev.txt requirements/%.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --disable-pip-version-check --progress-bar off -q -r requirements.txt -r requirements-dev.txt -r requirements/$*.txt
	.venv-$*/bin/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	OMP_NUM_THREADS=1 .venv-$*/bin/python -m pytest $(TESTS_$*) -m "slow or not slow"

# The documentation as a site in build/docs, with every warning an error.
docs: .venv-docs/.ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build -q
	@echo "open build/docs/index.html; or, with search: $(PYTHON) -m http.server -d build/docs 8000"

.venv-docs/.ready: requirements/docs.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --disable-pip-version-check --progress-bar off -q -r requirements/docs.txt
	touch $@

# The figures of docs/REPRODUCTION.md, drawn again from results/.
figures: env
	$(BIN)/python bench/figures.py

check: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

env: $(READY)

$(READY): requirements.txt requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off -q -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	rm -f $(VENV)/.ready-*
	touch $(READY)

clean:
	rm -rf $(VENV)
