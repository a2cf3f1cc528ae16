# What people run. Everything else is plain cargo.

# rustup installs there, and not every shell looks there.
export PATH := $(PATH):$(HOME)/.cargo/bin
export RUSTDOCFLAGS := -D warnings

CARGO_FLAGS := --locked

.PHONY: help demo test check audit bench crash fuzz

help:
	@echo 'make demo          watch changes in a throw-away OpenLDAP turn into mails'
	@echo 'make demo KEEP=1   the same, and leave it running to try things'
	@echo 'make check         formatting, lints, documentation and the tests that need no server'
	@echo 'make test          everything make check does, and all tests'
	@echo 'make audit         licences, origins and known weaknesses of the dependencies'
	@echo 'make crash         kill dirherald at random while changes are made, ten times 500 changes (RUNS=, SEED=)'
	@echo 'make fuzz          a million damaged inputs for each decoder and parser (CASES=, SEED=)'
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

# One of fifty for whole mails, which take longer. What breaks a promise is kept in fixtures/fuzz.
fuzz:
	@scripts/check-rust.sh
	DIRHERALD_FUZZ_CASES=$(or $(CASES),1000000) DIRHERALD_FUZZ_SEED=$(or $(SEED),$(shell date +%s)) \
		cargo test $(CARGO_FLAGS) --lib fuzz_ -- --nocapture
