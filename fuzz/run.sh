#!/usr/bin/env bash
# Every fuzz target for SECONDS (60) seconds each. Needs the nightly toolchain; cargo-fuzz is
# installed where it is missing. Without nightly the corpus goes through the targets as an ordinary
# test. FUZZ_SEED=N repeats a run (0, the default, is another one each time). What the fuzzer finds on the way stays out of the repository, except a failure's input.
set -euo pipefail
seconds=${FUZZ_SECONDS:-60}
cd "$(dirname "$0")/.."

if ! rustup toolchain list 2>/dev/null | grep -q '^nightly'; then
    echo "no nightly toolchain (rustup toolchain install nightly): the corpus is run as an ordinary test"
    exec cargo test --locked --test suite fuzz_corpus
fi
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    cargo +nightly install --locked --quiet cargo-fuzz
fi

grown=$(mktemp -d)
trap 'rm -rf "$grown"' EXIT
for target in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$target" .rs)
    echo "==== fuzz $target, $seconds s"
    mkdir "$grown/$target"
    # The first folder takes what is found; the corpus of the repository is only read.
    cargo +nightly fuzz run "$target" "$grown/$target" "fuzz/corpus/$target" -- \
        -seed="${FUZZ_SEED:-0}" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1
done
