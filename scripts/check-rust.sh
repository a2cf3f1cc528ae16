#!/bin/sh
# Usage: scripts/check-rust.sh [COMPONENT…]
# Says how to get Rust, or a component of it such as clippy, where it is missing or too old.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$root/Cargo.toml")

how_to_get_rust() {
    cat >&2 <<TEXT
$1
dirherald is built with Rust $wanted or newer. The way to it is rustup, see https://rustup.rs:

    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh

or, where rustup is there already: rustup update stable
TEXT
    exit 1
}

command -v cargo >/dev/null || how_to_get_rust "Rust is not installed: there is no cargo."
found=$(rustc --version | cut -d' ' -f2)
oldest=$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)
[ "$oldest" = "$wanted" ] || how_to_get_rust "Rust $found is too old."

for component in "$@"; do
    case $component in
        rustfmt) subcommand=fmt ;;
        *) subcommand=$component ;;
    esac
    cargo "$subcommand" --version >/dev/null 2>&1 && continue
    echo "Rust's $component is not installed; get it with: rustup component add $component" >&2
    exit 1
done
