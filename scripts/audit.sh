#!/bin/sh
# Checks the dependencies with cargo-deny. 0: all that could be looked at is well. 1: something was found. Where the
# database of advisories is out of reach the rest is checked, and the output says so.
set -eu

cd "$(dirname "$0")/.."

if ! cargo deny --version >/dev/null 2>&1; then
    echo "cargo-deny is not installed; cargo builds it now, which takes some minutes."
    cargo install --locked cargo-deny
fi

found=0
cargo deny --locked check licenses bans sources || found=1

if cargo deny --locked fetch db; then
    cargo deny --locked check advisories || found=1
    exit $found
fi

echo
echo "NOT CHECKED: advisories. The database of RustSec could not be fetched, so nobody looked whether a"
echo "dependency has a known weakness. Run this again where github.com can be reached."
exit $found
