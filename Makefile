# `make run` and `make test` set up everything by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# one more than two cores have, as tests wait for processes; each one's torch uses one thread
WORKERS ?= 3
ROUNDS ?= 10
SEED ?= 1

.PHONY: run test test-steady test-slow test-modal test-faults test-ledger test-kills check format schemas reference venv clean

run: $(INSTALLED)
	$(BIN)/python -m agents run goal=trained_dit steps=800

test: $(INSTALLED)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup

# ten times, each in another order, beside two busy processes; run again, it goes on where it was
test-steady: $(INSTALLED)
	$(BIN)/python benchmarks/steady.py --rounds $(ROUNDS) --seed $(SEED) --workers $(WORKERS)

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -q -m slow

# every incident in containers of the loopback control plane, with both ends of the client's range;
# a control plane for each worker, so that the files of tests run beside each other
test-modal: $(INSTALLED) $(VENV)/modal-1.5.4
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "(slow or not slow) and not cloud" \
		tests/modal tests/training/test_modal.py tests/docs/test_check.py tests/docs/test_workflows.py
	PYTHONPATH=$(CURDIR)/$(VENV)/modal-1.5.4 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal \
		-m "(not slow or both_clients) and not cloud" tests/modal

$(VENV)/modal-1.5.4: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $@ modal==1.5.4

test-faults: $(INSTALLED)
	$(BIN)/python -m pytest -q -s -m "slow or not slow" tests/faults tests/agents/test_secrets.py tests/agents/test_webhook.py \
		tests/agents/test_watch.py tests/agents/test_money.py tests/actions/test_incidents.py \
		tests/e2e/test_interrupted.py tests/e2e/test_five_failures.py

# the ledger: 600 kills at random moments of its writes, and 1,000 damaged files
test-ledger: $(INSTALLED)
	$(BIN)/python -m pytest -q -s -m slow tests/faults/test_random_kills.py tests/agents/test_corruption.py

# kill -9 of a training, 200 times; of engine, runner, guard, script and container of anybody's, 20 times and more
test-kills: $(INSTALLED)
	$(BIN)/python -m pytest -q -s -m slow tests/training/test_kill.py tests/runner/test_kills.py tests/trained/test_kills.py

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m agents docs check
	$(MAKE) test

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schemas: $(INSTALLED)
	$(BIN)/python -m agents schema out=agents/schemas

reference: $(INSTALLED)
	$(BIN)/python -m agents docs reference out=docs/reference.md

venv: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11 to 3.13 is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		--config-settings editable_mode=compat -e '.[dev]'
	$(BIN)/python -m compileall -q agents goals actions training templates
	touch $@

clean:
	rm -rf $(VENV)
