# `make demo`, `make test` and `make test-slow` do all the set-up from a bare clone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-$(shell cat requirements.txt requirements-dev.txt pyproject.toml | cksum | cut -d' ' -f1)

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

.PHONY: demo test test-slow test-grounding test-similar test-reader test-video fuzz check env clean docs figures

demo: env
	$(BIN)/python examples/demo/demo.py

test: check
	$(PYTEST)

# What takes more than ten seconds a test: whole trainings, kills, the wheel. Fifteen minutes on two cores.
test-slow: env
	$(PYTEST) -m 'slow and not fuzz'

# Mutated pictures, files and turns by the thousand.
fuzz: env
	$(PYTEST) -m fuzz

# The second system, with what scores and matches boxes, in an environment of its own.
test-grounding: requirements.txt requirements-dev.txt requirements/grounding.txt
	$(PYTHON) -m venv .venv-grounding
	.venv-grounding/bin/python -m pip install --disable-pip-version-check --progress-bar off -q -r requirements.txt -r requirements-dev.txt -r requirements/grounding.txt
	.venv-grounding/bin/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	OMP_NUM_THREADS=1 .venv-grounding/bin/python -m pytest tests/grounding tests/test_layers.py -m "slow or not slow"

# Pictures like an example, with the weights of a package, in an environment of its own.
test-similar: requirements.txt requirements-dev.txt requirements/similar.txt
	$(PYTHON) -m venv .venv-similar
	.venv-similar/bin/python -m pip install --disable-pip-version-check --progress-bar off -q -r requirements.txt -r requirements-dev.txt -r requirements/similar.txt
	.venv-similar/bin/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	OMP_NUM_THREADS=1 .venv-similar/bin/python -m pytest tests/finding

# The policy that reads photographs, with its models, in an environment of its own.
test-reader: requirements.txt requirements-dev.txt requirements/reader.txt
	$(PYTHON) -m venv .venv-reader
	.venv-reader/bin/python -m pip install --disable-pip-version-check --progress-bar off -q -r requirements.txt -r requirements-dev.txt -r requirements/reader.txt
	.venv-reader/bin/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	OMP_NUM_THREADS=1 .venv-reader/bin/python -m pytest tests/policies/reader tests/test_layers.py -m "slow or not slow"

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

# Frames of clips, in an environment of its own.
test-video: requirements.txt requirements-dev.txt requirements/video.txt
	$(PYTHON) -m venv .venv-video
	.venv-video/bin/python -m pip install --disable-pip-version-check --progress-bar off -q -r requirements.txt -r requirements-dev.txt -r requirements/video.txt
	.venv-video/bin/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	OMP_NUM_THREADS=1 .venv-video/bin/python -m pytest tests/finding tests/vision/test_video.py

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
