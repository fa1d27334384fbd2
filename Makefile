# `make demo` and `make test` install what they need into .venv first; nothing but Python 3.11 and make is asked for.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check suite format lock coverage hunt bench-compute bench-engines bench-opening bench-plan bench-push bench-codes clean

help:
	@echo "make demo      the whole round on real data, on this machine (lang=fr for French)"
	@echo "make test      format check, lint, types, import contracts and the suite"
	@echo "make format    rewrite the code as the house wants it"
	@echo "make coverage  the suite with branch coverage"
	@echo "make bench-compute   all segments at once beside the floor (customers=200000)"
	@echo "make bench-engines   the same segments on every engine side by side (customers=50000)"
	@echo "make bench-opening   a shop's files read cold, kept, and with one row in a hundred changed (customers=50000)"
	@echo "make bench-plan      a plan against a full ledger (contacts=1000000)"
	@echo "make bench-push      a push to an emulated provider (provider=brevo, contacts=100000)"
	@echo "make bench-codes     codes issued, confirmed and used (codes=1000000)"
	@echo "make hunt      the long seeded search for faults: kills and consent (points=500, rounds=5000, seed=1)"
	@echo "make lock      resolve the lock files anew"

.venv/.installed: requirements.lock pyproject.toml
	@test -d .venv || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (once)…"
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv/.installed
	@$(BIN)/ciblage demo $(if $(lang),--lang $(lang))

.venv/.engines: engines.lock .venv/.installed
	@echo "Installing the engines that the suite runs on (once)…"
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement engines.lock
	@touch $@

test: check suite

check: .venv/.engines
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

suite: .venv/.engines
	$(BIN)/pytest --numprocesses auto

format: .venv/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: .venv/.engines
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage report --skip-covered

bench-compute: .venv/.installed
	$(BIN)/python bench/compute.py --customers $(or $(customers),200000)

bench-engines: .venv/.engines
	$(BIN)/python bench/engines.py --customers $(or $(customers),50000)

bench-opening: .venv/.installed
	$(BIN)/python bench/opening.py --customers $(or $(customers),50000)

bench-plan: .venv/.installed
	$(BIN)/python bench/plan.py --contacts $(or $(contacts),1000000)

bench-push: .venv/.installed
	$(BIN)/python bench/push.py --provider $(or $(provider),brevo) --contacts $(or $(contacts),100000)

bench-codes: .venv/.installed
	$(BIN)/python bench/codes.py --codes $(or $(codes),1000000)

hunt: .venv/.engines
	$(BIN)/python tests/hunt/kill.py --points $(or $(points),500) --seed $(or $(seed),1)
	$(BIN)/python tests/hunt/consent.py --rounds $(or $(rounds),5000) --seed $(or $(seed),1)

lock: .venv/.installed
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
	  --extra demo --group dev --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
	  --extra postgres --extra clickhouse --extra spark --group engines --constraint requirements.lock \
	  --output-file engines.lock pyproject.toml

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
