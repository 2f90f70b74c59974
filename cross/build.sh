#!/usr/bin/env bash
# Builds the static binaries of the gateways: musl, no interpreter, nothing to install beside them.
#
#   cross/build.sh                 all targets
#   cross/build.sh aarch64 armv6   some of them: aarch64, armv7, armv6, x86_64
#
# The binaries are target/cross/TARGET/cu-agent. The standard library of a target is rustup's where
# it is installed; elsewhere it is compiled from Debian's rust-web-src. See cross/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'cross: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

declare -A triples=(
    [aarch64]=aarch64-unknown-linux-musl
    [armv7]=armv7-unknown-linux-musleabihf
    [armv6]=arm-unknown-linux-musleabihf
    [x86_64]=x86_64-unknown-linux-musl
)
[ $# -gt 0 ] || set -- aarch64 armv7 armv6 x86_64
for name in "$@"; do
    [ -n "${triples[$name]:-}" ] || { say "unknown target '$name'; there are: ${!triples[*]}"; exit 2; }
done

target_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")
jobs=${CROSS_JOBS:-$(nproc)}

# The linker (zig, which brings musl and its start files) and cargo-zigbuild, in an environment of
# their own that is named after what it holds.
tools=$target_dir/cross-tools-$(sha256sum cross/tools.txt | cut -c1-12)
if [ ! -e "$tools/complete" ]; then
    say "fetching zig and cargo-zigbuild"
    rm -rf "$tools"
    python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r cross/tools.txt
    touch "$tools/complete"
fi
# Written anew each time: the folder may have been moved since.
printf '#!/bin/sh\nexec "%s/bin/python" -m ziglang "$@"\n' "$tools" >"$tools/bin/zig"
chmod 755 "$tools/bin/zig"
export CARGO_ZIGBUILD_ZIG_PATH=$tools/bin/zig
# zig's own cache of compiled musl; elsewhere it would land in the home directory.
export ZIG_GLOBAL_CACHE_DIR=$target_dir/cross-tools-zig-cache
export ZIG_LOCAL_CACHE_DIR=$ZIG_GLOBAL_CACHE_DIR

has_target() { # has_target TRIPLE: is its standard library beside the default compiler?
    command -v rustc >/dev/null && compgen -G "$(rustc --print sysroot)/lib/rustlib/$1/lib/libstd-*.rlib" >/dev/null
}

# Where this folder and cargo's are is nobody's business, and the same source gives the same bytes.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
flags="--remap-path-prefix=$PWD=/cu-agent --remap-path-prefix=$cargo_home=/cargo"
# A panic ends the process where it is: nothing ever walks these tables, a tenth of the binary.
flags+=" -Cforce-unwind-tables=no"
export TARGET_CFLAGS="-fno-unwind-tables -fno-asynchronous-unwind-tables ${TARGET_CFLAGS:-}"

for name in "$@"; do
    triple=${triples[$name]}
    begun=$SECONDS
    build=(zigbuild --locked --profile gateway --target "$triple" -j "$jobs" --target-dir "$target_dir/cross-build")
    if has_target "$triple"; then
        say "$name: with $(rustc --version) and rustup's standard library"
        RUSTFLAGS=$flags "$tools/bin/cargo-zigbuild" "${build[@]}"
    elif [ -x /usr/bin/cargo ] && [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library" ]; then
        say "$name: with Debian's $(/usr/bin/rustc --version), its standard library compiled too"
        # zig links its own crt1.o, which rustc would look for in the standard library's folder.
        CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
            RUSTFLAGS="-Clink-self-contained=no $flags" \
            "$tools/bin/cargo-zigbuild" "${build[@]}" -Zbuild-std=std,panic_abort
    else
        fail "$name: neither rustup's target nor Debian's library source is here; run one of
  rustup target add $triple
  tests/install-test-tools.sh cross"
    fi
    mkdir -p "$target_dir/cross/$name"
    cp "$target_dir/cross-build/$triple/gateway/cu-agent" "$target_dir/cross/$name/cu-agent"
    say "$name: $target_dir/cross/$name/cu-agent, $(stat -c %s "$target_dir/cross/$name/cu-agent") bytes, $((SECONDS - begun)) s"
done
