# make demo · make demo-signals · make demo-images · make demo-diffusion · make demo-ranks · make demo-serve · make test · make docs · make benchmarks — each starts from a fresh clone and any Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo demo-signals demo-images demo-diffusion demo-ranks demo-serve test nightly lint types docs schema benchmarks clean
.DEFAULT_GOAL := demo

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Trainwright needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/made pyproject.toml constraints.txt
	@echo "installing Trainwright and what it needs (torch is the large one) …"
	$(INSTALL) -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/made pyproject.toml constraints.txt
	@echo "installing Trainwright and the tools its tests need …"
	$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/installed

# timm and the torchvision that it imports lie beside the environment: one that was built for another torch breaks what imports it.
$(VENV)/timm: $(VENV)/installed-dev
	$(INSTALL) --no-deps --target $(VENV)/timm timm torchvision
	@touch $@

demo: $(VENV)/installed
	$(BIN)/trainwright train builtin:breast_cancer

demo-signals: $(VENV)/installed
	$(INSTALL) -e '.[signals]'
	test -d made-ecg || $(BIN)/trainwright synth ecg -o made-ecg --broken 7
	$(BIN)/trainwright train configs/signals/ecg_multilabel.yaml data.path=made-ecg

demo-images: $(VENV)/installed
	$(INSTALL) -e '.[images]'
	test -d made-pictures || $(BIN)/trainwright synth pictures -o made-pictures
	$(BIN)/trainwright train made-pictures

demo-diffusion: $(VENV)/installed
	$(INSTALL) -e '.[images]'
	$(BIN)/python -m benchmarks.diffusion_digits --seeds 1 --folder made-diffusion

demo-ranks: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks.demo_ranks

demo-serve: $(VENV)/installed
	$(INSTALL) -e '.[export,serve]'
	$(BIN)/python -m benchmarks.demo_serve

test: $(VENV)/installed-dev $(VENV)/timm lint types
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

nightly: $(VENV)/installed-dev
	KILLS=1000 PAIRS=all $(BIN)/python -m pytest -s tests/faults tests/parallel/test_saved_under_any_strategy.py

lint: $(VENV)/installed-dev
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/lint-imports --no-cache

types: $(VENV)/installed-dev
	$(BIN)/mypy

docs: $(VENV)/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

schema: $(VENV)/installed-dev
	$(BIN)/trainwright schema > trainwright.schema.json

benchmarks: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache
