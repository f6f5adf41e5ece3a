# Two commands: `make run` shows Tamiz at work, `make test` checks it. Both set up what they need in .venv.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE := 1

.PHONY: run test setup lock clean

run: .venv/ready
	$(BIN)/python -m batch run

test: .venv/ready-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/pytest -n 2 --dist loadfile

setup: .venv/ready-test

# The lock holds versions, not hashes: the CPU build of torch has its own.
.venv/ready: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit("Tamiz needs Python 3.11 or newer: make PYTHON=python3.11") if sys.version_info < (3, 11) else 0'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable .
	touch $@

.venv/ready-test: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev]'
	touch $@

# Write the versions that are installed now as the lock.
lock: .venv/ready-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,baselines]'
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock

clean:
	rm -rf .venv var .mypy_cache .ruff_cache .pytest_cache build *.egg-info
