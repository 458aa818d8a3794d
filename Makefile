# Everything a developer does, from a fresh clone on. `make help` lists it.
# Needs a POSIX shell, GNU make 3.81 or newer and Python 3.11 to 3.14; without make see CONTRIBUTING.md.

BIN := .venv/bin
# PYTHON=python3.14 picks the interpreter; empty: that of .venv, else the first that runs.
PYTHON ?=
# BROKER=install: install RabbitMQ for the tests, also where that might disturb somebody.
BROKER ?=
# WORKERS=0: all tests in one process, one after the other, as a debugger needs it. More workers than cores pay,
# because most tests wait: for another process, a broker, a time limit.
WORKERS ?= 4
# Pages with generated parts; cog leaves the others as they are.
PAGES = $(wildcard *.md docs/*.md backends/*/README.md)
PACKAGES := chat backends protos wsdl lab tui

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all fuzz soak check audit format docs languages captures recording score trials stubs wsdl openapi goldens constraints man wheel bundle bundle-check clean

help: ## List these targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

setup: ## Make .venv with everything in it; instant when nothing changed
	@PYTHON='$(PYTHON)' .ci/setup

demo: setup ## See all techniques talk in one room
	@$(BIN)/chat demo

test: setup ## Run the tests but those with programs of others, of the benchmarks, and the soak; ARGS='-k tcp -x' goes to pytest, WORKERS=0 is for debugging, BROKER=install installs RabbitMQ
	@BROKER='$(BROKER)' .ci/broker
	MUTATIONS=$${MUTATIONS:-100} MACHINES=$${MACHINES:-40} $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile \
		--no-loadscope-reorder --short --hypothesis-profile short $(ARGS)

test-all: setup ## Run every test; with the same variables
	@BROKER='$(BROKER)' .ci/broker
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

fuzz: setup ## Run 1,000 bursts of keys, 1,200 power failures, a room of 1,000,000 lines, 10,000 mutations a decoder, 3,000 lives of a session and of a hub; BURSTS=, CRASH_IMAGES=, ROOM_LINES=, MUTATIONS=, MACHINES= more
	BURSTS=$${BURSTS:-1000} $(BIN)/python -m pytest -q --timeout 3600 tests/tui/test_bursts.py $(ARGS)
	CRASH_IMAGES=$${CRASH_IMAGES:-1200} $(BIN)/python -m pytest -q --timeout 3600 -o faulthandler_timeout=3600 tests/faults/test_crash_images.py $(ARGS)
	ROOM_LINES=$${ROOM_LINES:-1000000} $(BIN)/python -m pytest -q --timeout 3600 -o faulthandler_timeout=3600 tests/faults/test_long_room.py $(ARGS)
	MUTATIONS=$${MUTATIONS:-10000} $(BIN)/python -m pytest -q --timeout 7200 -o faulthandler_timeout=7200 -n $(WORKERS) \
		tests/contract/test_decoders.py tests/contract/test_mutated_traffic.py -k "strange_bytes or whatever_it_is_sent" $(ARGS)
	MACHINES=$${MACHINES:-3000} $(BIN)/python -m pytest -q --timeout 7200 -o faulthandler_timeout=7200 \
		tests/unit/client/test_session_machine.py tests/unit/server/test_hub_machine.py $(ARGS)

soak: setup ## Let 200 clients live and suffer faults for 30 minutes; SOAK_SECONDS=60 CLIENTS=50 SEED=2 otherwise
	$(BIN)/chat lab soak --seconds $${SOAK_SECONDS:-1800} --clients $${CLIENTS:-200} --seed $${SEED:-1}

check: setup ## Check format, lint, types, the import layers and the generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 $(PACKAGES)
	$(BIN)/lint-imports
	$(BIN)/python -m protos --check
	$(BIN)/python -m backends.rest.openapi --check
	$(BIN)/python -m backends.soap.contract --check
	$(BIN)/python -m chat.language --check
	$(BIN)/python .ci/man.py --check
	$(BIN)/python -m cogapp --check --check-fail-msg='run: make docs' $(PAGES)
	$(BIN)/python -m tests.tui.pictures --check
	$(BIN)/python -m tests.tui.recording --check
	$(BIN)/python -m lab.trials.picture --check

audit: setup ## Look for known vulnerabilities in the pinned packages, where PyPI can be asked
	$(BIN)/python .ci/audit.py

format: setup ## Format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## Write the generated parts of the pages, and the pictures, anew
	$(BIN)/python -m cogapp -r $(PAGES)
	$(BIN)/python -m tests.tui.pictures
	$(BIN)/python -m tests.tui.recording --draw
	$(BIN)/python -m lab.trials.picture

captures: setup ## Record the messages of docs/captures anew, then make docs; ARGS='grpc soap' some of them
	$(BIN)/python -m tests.support.kept_captures $(ARGS)

recording: setup ## Play the chat and record it to docs/recording, in real time, and draw the picture of it
	$(BIN)/python -m tests.tui.recording

score: setup ## Try the checker on every broken twin anew, and write docs/checker.json; then make docs
	$(BIN)/python -m lab.check.score docs/checker.json

trials: setup ## Run every trial of docs/reliability.md anew, and write its section and its picture; SEEDS=3 takes less
	$(BIN)/chat lab faults --seeds $${SEEDS:-30} --write docs/reliability.md

stubs: setup ## Write the generated Python in protos/ anew
	$(BIN)/python -m protos

wsdl: setup ## Write wsdl/chat.wsdl and wsdl/chat-soap11.wsdl anew, from the operations in backends/soap/service.py
	$(BIN)/python -m backends.soap.contract

openapi: setup ## Write the contract of REST, backends/rest/openapi.json, anew
	$(BIN)/python -m backends.rest.openapi

languages: setup ## Bring chat/language/*/LC_MESSAGES up to date with the texts in the code, and compile them
	$(BIN)/python -m chat.language

goldens: setup ## Write the screens that the TUI's tests compare with anew: look at the difference
	UPDATE_GOLDENS=1 $(BIN)/python -m pytest -q tests/tui/test_screens.py

constraints: | $(BIN)/python ## Pin what pyproject.toml asks for; ARGS=--upgrade takes the newest of everything
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
		$(ARGS) --group dev --all-extras -o constraints.txt pyproject.toml

# Not setup: the old pins may contradict the new pyproject.toml.
$(BIN)/python:
	@$(MAKE) setup

man: setup ## Write man/, the manual pages that the wheel brings, anew from the help texts
	$(BIN)/python .ci/man.py

wheel: setup ## Build dist/wirechat-*.whl
	$(BIN)/python -m hatchling build -t wheel

bundle: setup ## Make dist/chat-*.zip, with which the chat is installed without a network
	$(BIN)/python .ci/bundle.py make

bundle-check: setup ## Install that zip where there is no network, and chat over several techniques
	$(BIN)/python .ci/bundle.py check

clean: ## Remove everything that was made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
