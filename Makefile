# Every command of the project. Each target runs scripts/setup first, which is quick when nothing is
# missing. `make help` lists them.
.DEFAULT_GOAL := help
NODE := .tools/bin/node

.PHONY: help setup demo demo-clean test lint format generate golden bench bench-ovn bench-throughput fresh-check test-differential clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing and build
	@scripts/setup

demo: setup ## three chassis, five tenants, every pair probed (KEEP=1 leaves it up)
	@scripts/demo

demo-clean: ## remove a lab that `make demo KEEP=1` left
	@scripts/demo --clean

test: setup ## everything that can fail (SUITE=lint|rust|unit|integration narrows)
	@$(NODE) scripts/test.ts

test-differential: setup ## Weft against OVN on random topologies, packet by packet (SEED, COUNT, CASE=file)
	@SEED=$(SEED) COUNT=$(COUNT) CASE=$(CASE) $(NODE) test/differential/run.ts

lint: setup ## generated code, format, lint, layers, types, clippy
	@SUITE=lint $(NODE) scripts/test.ts

format: setup ## rewrite sources as the formatters want them
	@node_modules/.bin/biome format --write
	@scripts/cargo fmt --all

generate: setup ## rewrite the generated code from proto/
	@scripts/generate

golden: setup ## rewrite golden texts from what the code does now; review them as behaviour
	@WEFT_UPDATE_GOLDEN=1 node_modules/.bin/vitest run --project unit
	@WEFT_UPDATE_GOLDEN=1 scripts/cargo test --locked

bench: setup ## measure (SIZE=S|M|L|SR|LR OUT=file.json)
	@$(NODE) bench/run.ts $(if $(SIZE),--size $(SIZE)) $(if $(OUT),--out $(OUT))

bench-ovn: setup ## the same workload on OVN, both side by side (SIZE, OUT as above; SUITE=trixie for OVN 25.03)
	@$(NODE) bench/ovn.ts $(if $(SIZE),--size $(SIZE)) $(if $(SUITE),--suite $(SUITE)) $(if $(OUT),--out $(OUT))

bench-throughput: setup ## a routed against a switched TCP stream (PAIRS, SECONDS, OUT)
	@$(NODE) bench/throughput.ts $(if $(PAIRS),--pairs $(PAIRS)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(OUT),--out $(OUT))

fresh-check: ## test and demo in bare Debian roots (DIST=bookworm|trixie for one; needs root)
	@scripts/fresh-check $(DIST)

clean: ## remove what was built and fetched
	rm -rf .tools node_modules packages/*/node_modules test/node_modules bench/node_modules coverage
	rm -rf packages/dataplane-native/target packages/dataplane-native/dataplane.node packages/*/dist
