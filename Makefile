# One command for each habit, the same that CI runs. `make` alone lists them.
#
# Needs python3 (3.11 or newer), pip and make, and nothing else: uv comes into .tools and everything
# into .venv, pinned and hashed (docs/decisions/0001-uv-and-hashed-requirements.md). Outside of the
# tree only caches below ~/.cache are written.

PYTHON ?= python3
bin := $(CURDIR)/.venv/bin

# No setting of the machine may choose another interpreter, or download one.
export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON_PREFERENCE := only-system
# The system's certificates are what pip trusts, too: many networks have a root of their own.
export UV_SYSTEM_CERTS := 1
export UV_NO_PROGRESS := 1
export UV_LINK_MODE := copy
uv := env -u VIRTUAL_ENV -u CONDA_PREFIX $(CURDIR)/.tools/bin/uv

.DEFAULT_GOAL := help
.PHONY: help setup run demo test check bench crash fuzz new-source

help: ## lists these commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

setup: .venv/ready ## installs everything into .venv, pinned and hashed; does nothing when up to date

run: setup ## starts a server over a trail below build/, and says how an event gets in
	@DEPLOYTRAIL_HOME="$${DEPLOYTRAIL_HOME:-$(CURDIR)/build/trail}" $(bin)/deploytrail up

demo: setup ## records a real deployment, proves it, and shows how a flipped byte is found
	@PATH="$(bin):$$PATH" tools/demo

test: setup ## the test suite
	@$(bin)/pytest -n 2

check: setup ## format, lint, types, import contracts, links, the generated help in docs
	@PATH="$(bin):$$PATH" tools/check

bench: setup ## the figures, into build/bench.json; ONLY=prefix runs a part
	@$(bin)/python -m bench $(if $(ONLY),--only $(ONLY))

crash: setup ## the fault tests in their long form; fails where it did too little, too
	@DEPLOYTRAIL_CRASH=long $(bin)/pytest -n 2 --dist worksteal -o faulthandler_timeout=1800 \
	  --durations 12 tests/crash

fuzz: setup ## the property tests in their long form
	@DEPLOYTRAIL_FUZZ=long $(bin)/pytest -n 2 -m hypothesis -o faulthandler_timeout=0

new-source: setup ## begins a source: NAME=acme-deploy writes its module, a sample and a page
	@$(bin)/python -m tools.new_source $(NAME)

# Three steps, each a file that is older than what it was made from when it has to be made again.
# Each is touched last: stopped half-way, a step is repeated as a whole.

.tools/ready: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: Python 3.11 or newer is needed, found $$($(PYTHON) -V 2>&1); try 'make PYTHON=python3.12 setup'" >&2; exit 2; }
	@$(PYTHON) -m pip --version >/dev/null || \
	  { echo "make: pip is needed (on Debian: apt install python3-pip)" >&2; exit 2; }
	@rm -rf .tools
	@PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 $(PYTHON) -m pip install --quiet --disable-pip-version-check \
	  --no-warn-script-location --root-user-action=ignore \
	  --target .tools --no-deps --require-hashes -r requirements/bootstrap.txt
	@touch $@

.venv/locked: .tools/ready requirements/dev.txt
	@$(uv) venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv
	@$(uv) pip sync --quiet --python $(bin)/python --require-hashes requirements/dev.txt
	@touch $@

.venv/ready: .venv/locked pyproject.toml
	@$(uv) pip install --quiet --python $(bin)/python --no-deps --no-build-isolation --editable .
	@touch $@
