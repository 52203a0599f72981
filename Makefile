# What a person types. `make` alone lists the targets.

# Shared by every clone of this account, so that a fresh one does not build the heavy dependencies again.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/wellspring/target
export WELLSPRING_BIN := $(CARGO_TARGET_DIR)/release/wellspring

# One profile and one feature set for building, linting and testing: each heavy dependency is compiled once
# (docs/adr/0006-one-build-profile.md).
CARGO_BUILD := cargo build --release --locked
CARGO_CLIPPY := cargo clippy --release --workspace --all-targets --locked -- -D warnings
CARGO_TEST := cargo test --release --workspace --locked --no-fail-fast
# An example of one crate by itself would be another feature set.
CARGO_EXAMPLE := cargo build --release --locked --workspace --example
EXAMPLES := $(CARGO_TARGET_DIR)/release/examples

# llama.cpp is built for this machine's processor: with AVX-512 it reads prompts a third faster. PORTABLE=1, like
# cargo alone, builds for any x86-64 with AVX2; changing between the two builds llama.cpp anew.
ifndef PORTABLE
$(foreach instruction,$(shell scripts/processor.sh),$(eval export $(subst =, := ,$(instruction))))
endif

# make run: the folder to read (empty: our own documents and the sample pages), the port, and the first question.
DOCS ?=
PORT ?= 7700
QUESTION ?=

.DEFAULT_GOAL := help
.PHONY: help packages build run check test bench bench-embed bench-generate bench-poll isolation deny compose-check

help: ## Lists the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

packages: ## Installs the system packages that building needs, or prints the command that does.
	@scripts/packages.sh

build: packages ## Builds the binary.
	@$(CARGO_BUILD)

# Through the environment, so that no character of a path or a question is the shell's to interpret.
run: export DOCS := $(DOCS)
run: export PORT := $(PORT)
run: export QUESTION := $(QUESTION)
run: build ## Builds, fetches the models, reads a folder (DOCS=/path), asks one question (QUESTION="…"), keeps serving (PORT=7700).
	@scripts/run.sh

check: packages ## Checks the format and lints, warnings denied.
	cargo fmt --all --check
	$(CARGO_CLIPPY)

test: check ## Everything that must hold: format, lints, every test, the documents' examples, the journeys.
	$(CARGO_BUILD)
	"$(WELLSPRING_BIN)" models pull --set test
	$(CARGO_TEST)

bench: build ## Measures ingestion of a corpus against the embedder alone (CORPUS=documents.jsonl).
	@test -n "$(CORPUS)" || { echo 'make bench: name a corpus, one document a line: make bench CORPUS=documents.jsonl' >&2; exit 1; }
	"$(WELLSPRING_BIN)" models pull
	"$(WELLSPRING_BIN)" bench ingest "$(CORPUS)"

bench-embed: build ## Measures how many passages a second the embedder alone makes, by the default file and by the one before.
	"$(WELLSPRING_BIN)" models pull onnxruntime all-minilm-l6-v2-tokenizer all-minilm-l6-v2-dynamic-int8 all-minilm-l6-v2-int8
	$(CARGO_EXAMPLE) embed_rate
	"$(EXAMPLES)/embed_rate"

bench-generate: export LLAMA_SERVER := $(LLAMA_SERVER)
bench-generate: export PEER := $(PEER)
bench-generate: build ## Measures the generator, against llama.cpp's server where one is named (LLAMA_SERVER=/path or PEER=URL, ROUNDS=5, THREADS=2, MODEL=/path).
	"$(WELLSPRING_BIN)" models pull
	$(CARGO_EXAMPLE) bench_generate
	"$(EXAMPLES)/bench_generate"

isolation: ## Interleaves requests by chance and compares every text with the one written alone (COUNT=1000, MODEL=/path).
	WELLSPRING_TEST_INTERLEAVINGS=$(or $(COUNT),1000) $(if $(MODEL),WELLSPRING_TEST_ISOLATION_MODEL="$(MODEL)") \
		cargo test --release --workspace --locked --test slots -- --ignored --nocapture many

bench-poll: packages ## Simulates polling against fixed intervals on a stream of edits (STREAM=/path, with events.jsonl.gz).
	@test -n "$(STREAM)" || { echo 'make bench-poll: name a stream: make bench-poll STREAM=/path' >&2; exit 1; }
	$(CARGO_EXAMPLE) simulate_polling
	"$(EXAMPLES)/simulate_polling" --commits "$(STREAM)/events.jsonl.gz"

deny: ## Checks licences, known holes, sources and vendors of the dependency tree.
	@cargo deny --version >/dev/null 2>&1 || { echo 'make deny: install it first: cargo install cargo-deny --locked' >&2; exit 1; }
	cargo deny --locked check

compose-check: build ## Builds the container image on a base made here and runs the composed stack once (root, Debian).
	@scripts/compose-check.sh
