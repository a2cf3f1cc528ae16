# What people run. Everything else is plain cargo.

# rustup installs there, and not every shell looks there.
export PATH := $(PATH):$(HOME)/.cargo/bin
export RUSTDOCFLAGS := -D warnings

CARGO_FLAGS := --locked

.PHONY: help demo test check audit bench

help:
	@echo 'make demo          watch changes in a throw-away OpenLDAP turn into mails'
	@echo 'make demo KEEP=1   the same, and leave it running to try things'
	@echo 'make check         formatting, lints, documentation and the tests that need no server'
	@echo 'make test          everything make check does, and all tests'
	@echo 'make audit         licences, origins and known weaknesses of the dependencies'
	@echo 'make bench         how long a large directory takes to read beside ldapsearch, and a change to become a mail'

demo:
	@scripts/check-rust.sh
	@scripts/install-debian.sh
	cargo build $(CARGO_FLAGS) --release
	target/release/dirherald demo $(if $(KEEP),--keep)

# Whoever reads the output looks for the closing lines of cargo test: nothing comes after them.
test:
	@scripts/check-rust.sh rustfmt clippy
	@scripts/install-debian.sh
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
