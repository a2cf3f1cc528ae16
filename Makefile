# What people run. Everything else is plain cargo.

# rustup installs there, and not every shell looks there.
export PATH := $(PATH):$(HOME)/.cargo/bin
export RUSTDOCFLAGS := -D warnings

CARGO_FLAGS := --locked

.PHONY: help demo test check audit bench crash soak queue fuzz hostile record

help:
	@echo 'make demo          watch changes in a throw-away OpenLDAP turn into mails'
	@echo 'make demo KEEP=1   the same, and leave it running to try things'
	@echo 'make check         formatting, lints, documentation and the tests that need no server'
	@echo 'make test          everything make check does, and all tests'
	@echo 'make audit         licences, origins and known weaknesses of the dependencies'
	@echo 'make crash         kill dirherald at random while changes are made, ten times 500 changes (RUNS=, SEED=)'
	@echo 'make soak          changes for 20 minutes while everything is killed and frozen, then a reckoning (MINUTES=, SEED=, RATE=)'
	@echo 'make queue         100,000 mails wait for a mail server that is away, in bounded memory (MESSAGES=)'
	@echo 'make fuzz          a million damaged inputs for each decoder and parser (CASES=, SEED=)'
	@echo 'make hostile       a hundred thousand hostile values on their way from slapd to a maildir (CASES=, SEED=)'
	@echo 'make record        record exchanges with a real slapd anew, for the scripted servers of the tests'
	@echo 'make bench         how long a large directory takes to read beside ldapsearch, and a change to become a mail'

demo:
	@scripts/check-rust.sh
	@scripts/install-debian.sh
	cargo build $(CARGO_FLAGS) --release
	target/release/dirherald demo $(if $(KEEP),--keep)

# Whoever reads the output looks for the closing lines of cargo test: nothing comes after them.
test:
	@scripts/check-rust.sh rustfmt clippy
	@scripts/install-debian.sh --mail
	cargo fmt --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	cargo doc $(CARGO_FLAGS) --no-deps --document-private-items
	cargo test $(CARGO_FLAGS)

check:
	@scripts/check-rust.sh rustfmt clippy
	cargo fmt --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- -D warnings
	cargo doc $(CARGO_FLAGS) --no-deps --document-private-items
	cargo test $(CARGO_FLAGS) --lib --test rules

audit:
	@scripts/check-rust.sh
	scripts/audit.sh

bench:
	@scripts/check-rust.sh
	@scripts/install-debian.sh
	cargo bench $(CARGO_FLAGS) --bench large_directory

# Each run prints its seed first: SEED= and RUNS=1 repeat one.
crash:
	@scripts/check-rust.sh
	@scripts/install-debian.sh --mail
	DIRHERALD_CRASH_RUNS=$(or $(RUNS),10) DIRHERALD_CRASH_SEED=$(or $(SEED),1) DIRHERALD_CRASH_CHANGES=500 \
		DIRHERALD_CRASH_EPISODES=50 cargo test $(CARGO_FLAGS) --test integration killed_again_and_again -- --nocapture

# MINUTES= how long, RATE= changes a second, SEED= repeats a course as far as the machine's pace lets it.
soak:
	@scripts/check-rust.sh
	@scripts/install-debian.sh --mail
	DIRHERALD_SOAK_SECONDS=$$(($(or $(MINUTES),20) * 60)) DIRHERALD_SOAK_RATE=$(or $(RATE),10) \
		DIRHERALD_SOAK_SEED=$(or $(SEED),$(shell date +%s)) cargo test $(CARGO_FLAGS) --test integration \
		soak_everything -- --ignored --nocapture

# One of fifty for whole mails, which take longer. What breaks a promise is kept in fixtures/fuzz.
fuzz:
	@scripts/check-rust.sh
	DIRHERALD_FUZZ_CASES=$(or $(CASES),1000000) DIRHERALD_FUZZ_SEED=$(or $(SEED),$(shell date +%s)) \
		cargo test $(CARGO_FLAGS) --lib fuzz_ -- --nocapture

# With the seed that is printed the values are the same again.
hostile:
	@scripts/check-rust.sh
	@scripts/install-debian.sh --mail
	DIRHERALD_HOSTILE_CASES=$(or $(CASES),100000) DIRHERALD_HOSTILE_SEED=$(or $(SEED),$(shell date +%s)) \
		cargo test $(CARGO_FLAGS) --test integration whatever_stands_in_the_directory -- --nocapture

# Some twenty minutes. It prints memory and speed.
queue:
	@scripts/check-rust.sh
	@scripts/install-debian.sh
	DIRHERALD_QUEUE_MESSAGES=$(or $(MESSAGES),100000) cargo test $(CARGO_FLAGS) --test integration \
		a_long_queue_takes_no_more_memory -- --nocapture

# What is recorded is written to fixtures/recorded and belongs into a commit.
record:
	@scripts/check-rust.sh
	@scripts/install-debian.sh
	DIRHERALD_RECORD=1 cargo test $(CARGO_FLAGS) --test integration recorded_exchanges
