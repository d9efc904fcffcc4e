# Everything that is run by hand and in CI, in one list.

CARGO ?= cargo
SOAK_KILLS ?= 50
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
# Tests note here what they could not check.
SKIPPED := $(abspath $(TARGET))/skipped.txt
export CARGO_TERM_PROGRESS_WHEN ?= auto
# The tests and the demo run this binary.
export JFO_BINARY ?= $(abspath $(TARGET))/debug/jira-findings-operator

.DEFAULT_GOAL := help
.PHONY: help build demo bench test test-unit control-plane fmt fmt-check clippy crds check-drift deny soak ci clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' | awk -F'|' '{printf "  %-14s %s\n", $$1, $$2}'

build: ## the operator and everything the demo needs
	$(CARGO) build --workspace --bins

demo: control-plane build ## a cluster, a Jira and the operator; DEMO_KUBECONFIG=path for a cluster of yours, ONCE=1 for the tour
	@DEMO_KUBECONFIG='$(DEMO_KUBECONFIG)' ONCE='$(ONCE)' '$(TARGET)/debug/demo'

bench: control-plane ## CPU of the operator for each new finding; BENCH_ARGS="--operator PATH --findings N --rounds R --json"
	$(CARGO) build --release --package jira-findings-operator --package bench --bins
	@JFO_BINARY='$(TARGET)/release/jira-findings-operator' '$(TARGET)/release/bench' $(BENCH_ARGS)

test: control-plane build ## all tests, those with a real API server and the real binary included
	@mkdir -p '$(TARGET)' && rm -f '$(SKIPPED)'
	JFO_SKIPPED='$(SKIPPED)' $(CARGO) test --workspace
	@if [ -s '$(SKIPPED)' ]; then echo "skipped for want of ../shared: $$(sort -u '$(SKIPPED)' | wc -l)"; sort -u '$(SKIPPED)' | sed 's/^/  /'; else echo "nothing was skipped"; fi

test-unit: ## what needs neither a cluster nor a process
	$(CARGO) test --workspace --lib

control-plane: ## find or build etcd and the API server (minutes the first time, then cached)
	@tests/cluster/build.sh >/dev/null

fmt: ## format
	$(CARGO) fmt --all

fmt-check: ## is everything formatted?
	$(CARGO) fmt --all --check

clippy: ## lints, pedantic, warnings are errors
	$(CARGO) clippy --workspace --all-targets -- -D warnings

crds: build ## write crds/ anew from the types
	$(JFO_BINARY) crds > crds/crds.yaml.new && mv crds/crds.yaml.new crds/crds.yaml

check-drift: build ## do crds/ and the types agree?
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && $(JFO_BINARY) crds > "$$dir/crds.yaml" && \
	  diff -u crds/crds.yaml "$$dir/crds.yaml" && echo "crds/ is what the types say"

deny: ## licences, sources and banned crates
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check bans licenses sources; else echo "deny: skipped, cargo-deny is not installed"; fi

soak: control-plane build ## kill the operator SOAK_KILLS times (50) and count the issues
	SOAK_KILLS=$(SOAK_KILLS) $(CARGO) test --workspace -- --ignored soak

ci: fmt-check clippy check-drift deny test ## all of the above that must pass, then the tour of the demo
	$(MAKE) demo ONCE=1

clean: ## remove what was built; the control plane's cache stays
	$(CARGO) clean
