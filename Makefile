# `make demo` and `make test` install what they need into .venv first; nothing but Python 3.11 and make is asked for.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check suite format lock coverage bench-compute clean

help:
	@echo "make demo      the whole round on real data, on this machine (lang=fr for French)"
	@echo "make test      format check, lint, types, import contracts and the suite"
	@echo "make format    rewrite the code as the house wants it"
	@echo "make coverage  the suite with branch coverage"
	@echo "make bench-compute   all segments at once beside the floor (customers=200000)"
	@echo "make lock      resolve requirements.lock anew"

.venv/.installed: requirements.lock pyproject.toml
	@test -d .venv || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (once)…"
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv/.installed
	@$(BIN)/ciblage demo $(if $(lang),--lang $(lang))

test: .venv/.installed check suite

check: .venv/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

suite: .venv/.installed
	$(BIN)/pytest --numprocesses auto

format: .venv/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: .venv/.installed
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report --skip-covered

bench-compute: .venv/.installed
	$(BIN)/python bench/compute.py --customers $(or $(customers),200000)

lock: .venv/.installed
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
	  --extra demo --group dev --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
