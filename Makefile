# A fresh machine needs only Python 3.11+ and make. `make help` explains the targets.

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development
# Two servers and two processes for two cores. Roles are common to a whole Postgres, so on one that
# others give us the tests run in one process.
PYTEST := $(BIN)/python -m pytest --dist loadfile --no-loadscope-reorder \
  -n $(if $(TEST_POSTGRES_URL),0,2)
# Measuring almost doubles the CPU time under Python 3.11, and sees only the tests' own process. The
# floors, in percent, are a point below what was measured.
FLOORS := opsrun=91.6 gql=98.5 workers=98.0 domain=98.5
MEASURED := tests/opsrun tests/workers tests/gql tests/domain
# npm writes this file when it has installed everything.
CONTRACT_TOOLS := tests/contract/node_modules/.package-lock.json

.DEFAULT_GOAL := help
.PHONY: help dev test coverage crash-test crash-check neighbour-check fuzz test-clients check check-contract contract-tools \
  format migrate schema reference graphiql docs wheel image bench lock clean

help: ## Explain the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

dev: $(RUNTIME) ## Run all of Opsrun here; with your own exports: make dev ARGS="--exports FOLDER"
	@exec $(BIN)/opsrun dev --stop-with-parent $$PPID $(ARGS)

test: $(DEVELOPMENT) ## Run all tests, or some: make test ARGS="tests/gql -n 0 -k roles"
	@$(PYTEST) $(ARGS)

coverage: $(DEVELOPMENT) ## Run the tests inside one process and report the lines that they reach
	@$(PYTEST) --cov --cov-report= $(MEASURED) $(ARGS)
	@for floor in $(FLOORS); do package=$${floor%=*}; printf '%s: ' "$$package"; \
	  $(BIN)/coverage report --include="$$package/*" --format=total --fail-under=$${floor#*=} || exit 1; done

crash-test: $(DEVELOPMENT) ## Inject faults under load: make crash-test ARGS="--seed 7 --minutes 10"
	@$(BIN)/python -m crash $(ARGS)

crash-check: $(DEVELOPMENT) ## Run a short crash test, and check that planted bugs are detected
	@$(BIN)/python -m pytest tests/crash

neighbour-check: $(DEVELOPMENT) ## Let one tenant attack: make neighbour-check ARGS="--seconds 10 --turns 3"
	@$(BIN)/python -m bench.neighbour $(ARGS)

fuzz: $(DEVELOPMENT) ## Send random input to the API: make fuzz ARGS="--examples 5000 --seed 7"
	@$(PYTEST) tests/fuzz $(ARGS)

test-clients: $(DEVELOPMENT) ## Run the client examples against a real server; needs Node and Chromium
	@$(PYTEST) --skip-nothing tests/clients

check: $(DEVELOPMENT) ## Check format, lint, types, dead code, imports and schema.graphql
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/vulture
	$(BIN)/lint-imports
	$(BIN)/opsrun schema --check

check-contract: $(DEVELOPMENT) ## Check the schema, its changes and all documents as clients' tools do
	@$(PYTEST) -rs tests/contract

format: $(DEVELOPMENT) ## Format the code and fix what the linter can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

migrate: $(RUNTIME) ## Migrate the database of OPSRUN_DATABASE_URL to this version
	@$(BIN)/opsrun migrate

schema: $(RUNTIME) ## Write schema.graphql from the code
	@$(BIN)/opsrun schema

reference: $(CONTRACT_TOOLS) ## Write the API's reference as one page; needs Node
	@made=$$(npm --prefix tests/contract run reference 2>&1) || { echo "$$made"; exit 1; }
	@echo "The reference is in build/reference/index.html."

graphiql: ## Build the files of GraphiQL, to be committed; needs Node
	@npm --prefix client-examples/graphiql ci --loglevel error
	@npm --prefix client-examples/graphiql run build

docs: $(DEVELOPMENT) ## Build the documentation's site; after `make reference`, with the API's reference
	@$(BIN)/python -m opsrun.dev.docs_site build/site

wheel: $(RUNTIME) ## Build the hub if necessary, and a wheel and an sdist in dist/; needs Node
	@$(BIN)/python -m opsrun.dev.hub_build build/hub.log
	@rm -rf dist && mkdir dist
	@$(BIN)/python -c 'from setuptools.build_meta import build_sdist; build_sdist("dist")' >dist/log || \
	  { cat dist/log; exit 1; }
	@rm dist/log
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --wheel-dir dist dist/*.tar.gz
	@ls dist/*

image: wheel ## Build the container image without a registry; needs buildah, mmdebstrap and root
	@deploy/build

bench: $(DEVELOPMENT) ## Measure Opsrun beside limits and peers: make bench ARGS="--only list"
	@$(BIN)/python -m bench $(ARGS)

lock: $(DEVELOPMENT) ## Pin the newest allowed dependencies, with hashes and no addresses
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-emit-index-url --no-annotate --no-header --quiet \
	  --extra embedded --extra install pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header --quiet --constraint requirements.lock \
	  --extra embedded --extra install --extra dev pyproject.toml --output-file requirements-dev.lock
	for lock in deploy/sbom tests/deploy/requirements; do $(BIN)/uv pip compile --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet \
	  --constraint requirements-dev.lock $$lock.in --output-file $$lock.lock || exit 1; done

clean: ## Remove the environment and the tools' files; keeps the data in .opsrun
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache .coverage* tests/contract/node_modules bench/peers/node_modules \
	  $(addprefix client-examples/*/,node_modules build dist .venv opsrun_client src/gql)

contract-tools: $(CONTRACT_TOOLS)

$(CONTRACT_TOOLS): tests/contract/package-lock.json
	@echo "Installing the tools of API users; this happens once ..."
	@npm --prefix tests/contract ci --loglevel error

# $(1) is a lock file. pip prints each package that it collects; every tenth one becomes a line of
# progress. The pipe loses pip's exit status, so the word FAILED replaces it.
define install
	@{ $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
	    --require-hashes -r $(1) || echo FAILED; } | awk -v total="$$(grep -c '^[a-z].*==' $(1))" ' \
	  /^(Collecting|Processing|Requirement already)/ && ++seen % 10 == 0 { print "  " seen " of " total; fflush() } \
	  /^Installing collected/ { print "  unpacking ..."; fflush() } \
	  /^FAILED/ { failed = 1 } \
	  END { exit failed }'
endef

$(BIN)/python:
	@command -v python3 >/dev/null || { echo "Opsrun needs Python 3.11 or newer as python3."; exit 1; }
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Opsrun needs Python 3.11 or newer as python3; this is $$(python3 --version)."; exit 1; }
	@python3 -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv or pip is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Making the Python environment $(VENV) ..."
	@python3 -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing Opsrun's dependencies; this happens once, and takes a minute or two ..."
	$(call install,requirements.lock)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): requirements-dev.lock $(RUNTIME)
	@echo "Installing the tools for tests and checks; this happens once ..."
	$(call install,requirements-dev.lock)
	@touch $@
