# The whole interface: make demo | parts | test | check | bench | fix | lock | clean.
# Each works as the first command on a bare machine with Python 3.11 and make: it builds .venv
# from the hashed files in requirements/ and skips that, without network, when nothing changed.

VENV   := .venv
BIN    := $(VENV)/bin
UV     := .ci/uv $(VENV)
SHELL  := /bin/sh
# All tests run in twice as many processes as there are cores, because many of them wait.
CORES  := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
SPREAD := -n $(shell expr 2 \* $(CORES)) --dist loadfile --no-loadscope-reorder
CODE   := $(wildcard src tests benchmarks examples)

.PHONY: help demo parts test check check-format check-lint check-types check-imports bench bench-injection mutants promises chaos soak fix lock clean install
.DELETE_ON_ERROR:
.NOTPARALLEL:
# Every process of the tests would compile the whole project anew.
unexport PYTHONDONTWRITEBYTECODE
.SILENT:

help:
	echo "make demo     the support desk under control: the real SDK, a scripted model, fourteen scenes"
	echo "make parts    what some tests need of the system: installs it as root, else says how"
	echo "make test     all tests"
	echo "make check    format, lint, types, import contracts, tests"
	echo "make bench    the figures, printed side by side"
	echo "make bench-injection   what injections get done, and what honest work is asked"
	echo "make mutants  how many small faults in the core and the runtime the tests notice"
	echo "make promises what is promised, tried at every door"
	echo "make chaos    crash schedules, kill -9, and faults of tools at each door"
	echo "make soak     two hours of mixed load with faults (make soak MINUTES=20: shorter)"
	echo "make fix      format, and repair what the linter can"
	echo "make lock     resolve requirements/*.txt again (make lock UPGRADE=1: to the newest)"
	echo "make clean    remove everything make made"

demo: $(VENV)/.demo
	$(BIN)/holdfast demo

install: $(VENV)/.dev

# Says of each part whether it works; fails while one does not.
parts: $(VENV)/.dev
	$(BIN)/python -m tests.parts

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q $(or $(ARGS),$(SPREAD))

check: check-format check-lint check-types check-imports test

check-format: $(VENV)/.dev
	$(BIN)/ruff format --check $(CODE)

check-lint: $(VENV)/.dev
	$(BIN)/ruff check $(CODE)

check-types: $(VENV)/.dev
	$(BIN)/mypy $(CODE)

check-imports: $(VENV)/.dev
	PYTHONPATH=src $(BIN)/lint-imports --no-cache

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(ARGS)

bench-injection: $(VENV)/.injection
	PYTHONPATH=$(VENV)/injection $(BIN)/python -m benchmarks.injection $(ARGS)

mutants: $(VENV)/.dev
	$(BIN)/python -m tests.mutants $(ARGS)

# What is promised, at every door: `make test` leaves out the two that take longest.
promises: $(VENV)/.dev
	$(BIN)/python -m pytest -q $(SPREAD) tests/promises

chaos: $(VENV)/.dev
	$(BIN)/python -m tests.chaos.ledger --points 10000
	$(BIN)/python -m tests.chaos.ledger --points 1000 --calls 10 --store sqlite
	$(BIN)/python -m tests.chaos.ledger --points 1000 --calls 10 --store postgres
	$(BIN)/python -m tests.chaos.kills --kills 300 --workers 1 2 4
	$(BIN)/python -m tests.chaos.kills --kills 150 --workers 1 2 4 --store postgres
	$(BIN)/python -m tests.chaos.effects --faults 2000 --minutes 60
	ALERT_MONTHS=1000 $(BIN)/python -m pytest -q -s tests/properties/test_alert_months.py

soak: $(VENV)/.dev
	$(BIN)/python -m tests.chaos.soak --minutes $(or $(MINUTES),120) $(ARGS)

fix: $(VENV)/.dev
	$(BIN)/ruff check --fix --exit-zero --quiet $(CODE)
	$(BIN)/ruff format $(CODE)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- the environment; each stamp is newer than what it was made from --------------------------

$(VENV)/.uv: requirements/uv.txt .ci/venv
	echo "making $(VENV)"
	.ci/venv $(VENV)
	touch $@

# File times say when to look, checksums whether the locks really changed: a fresh checkout of another
# branch with the same locks needs no network. The checkout itself is installed without build isolation,
# because its builder is in build.txt, with hashes.
DEMO_LOCKS := requirements/build.txt requirements/demo.txt
DEV_LOCKS  := requirements/uv.txt requirements/build.txt requirements/dev.txt
PROJECT     = $(UV) pip install --quiet --no-deps --no-build-isolation --editable .

# Adds to what is there, so that a demo does not undo a developer's environment.
$(VENV)/.demo: $(DEMO_LOCKS) pyproject.toml | $(VENV)/.uv
	if ! cksum $(DEMO_LOCKS) | cmp -s - $@.sum; then \
	    echo "installing what the demo needs" && \
	    $(UV) pip install --quiet --no-deps --require-hashes $(DEMO_LOCKS:%=-r %) && \
	    cksum $(DEMO_LOCKS) > $@.sum || exit 1; \
	fi
	$(PROJECT)
	touch $@

$(VENV)/.dev: $(DEV_LOCKS) pyproject.toml | $(VENV)/.uv
	if ! cksum $(DEV_LOCKS) | cmp -s - $@.sum; then \
	    echo "installing everything for development" && \
	    $(UV) pip sync --quiet --require-hashes $(DEV_LOCKS) && \
	    cksum $(DEV_LOCKS) > $@.sum && cksum $(DEMO_LOCKS) > $(VENV)/.demo.sum || exit 1; \
	fi
	$(PROJECT)
	touch $@ $(VENV)/.demo

# AgentDojo stands beside the environment, so that nothing else can come to need it.
$(VENV)/.injection: requirements/injection.txt $(VENV)/.dev
	echo "installing AgentDojo"
	$(UV) pip install --quiet --no-deps --require-hashes --target $(VENV)/injection -r requirements/injection.txt
	touch $@

# ---- locks: no addresses, no machine paths; dev is resolved first and bounds the others -----------

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate $(if $(UPGRADE),--upgrade) \
	--custom-compile-command "make lock"

lock: $(VENV)/.uv
	$(COMPILE) pyproject.toml requirements/dev.in --all-extras --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml requirements/demo.in --extra claude -c requirements/dev.txt --output-file requirements/demo.txt
	$(COMPILE) pyproject.toml requirements/run.in -c requirements/dev.txt --output-file requirements/run.txt
	$(COMPILE) requirements/build.in -c requirements/dev.txt --output-file requirements/build.txt
	$(COMPILE) requirements/uv.in --output-file requirements/uv.txt
	$(COMPILE) --no-deps requirements/injection.in -c requirements/dev.txt --output-file requirements/injection.txt
