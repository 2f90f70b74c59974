#!/usr/bin/env bash
# Builds the static binaries of the gateways: musl, no interpreter, nothing to install beside them.
#
#   cross/build.sh                 all targets
#   cross/build.sh aarch64 armv6   some of them: aarch64, armv7, armv6, x86_64
#   CROSS_PINNED=1 …               refuses a compiler other than the one that releases are built with
#
# The binaries are target/cross/TARGET/cu-agent. The standard library of a target is rustup's where
# it is installed; elsewhere it is compiled from Debian's rust-web-src. See cross/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the bytes depend on besides the source and cross/tools.txt. Another compiler builds a good binary,
# but not that of a release: `make release` accepts no other.
rust_version=1.96.0
# Built from crates.io with the dependencies it was released with; writes the list of crates into the binary.
auditable_version=0.7.7

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
zig_folder=$("$tools/bin/python" -c 'import os, ziglang; print(os.path.dirname(ziglang.__file__))')
packaging/linked.py zig "$zig_folder"
export CARGO_ZIGBUILD_ZIG_PATH=$tools/bin/zig
# zig's own cache of compiled musl; elsewhere it would land in the home directory.
export ZIG_GLOBAL_CACHE_DIR=$target_dir/cross-tools-zig-cache
export ZIG_LOCAL_CACHE_DIR=$ZIG_GLOBAL_CACHE_DIR

# Of 32-bit ARM the standard library asks musl for the time in 32 bits, and panics from 2038-01-19 on. It has what
# 64 bits need, for glibc only: compiled from a copy in which that is for musl too.
sysroot_of_64_bit_time() { # prints its folder
    local debian source copy times=library/std/src/sys/pal/unix/time.rs
    debian=$(/usr/bin/rustc --print sysroot)
    source=$(realpath "$debian/lib/rustlib/src/rust")
    copy=$target_dir/cross-std-$(cat cross/build.sh "$source/$times" | sha256sum | cut -c1-12)
    if [ ! -e "$copy/complete" ]; then
        rm -rf "$copy"
        mkdir -p "$copy/lib/rustlib/src/rust"
        cp -r "$source/library" "$copy/lib/rustlib/src/rust/"
        for beside in "$debian"/lib/rustlib/*; do
            [ "${beside##*/}" = src ] || ln -s "$beside" "$copy/lib/rustlib/"
        done
        sed -i 's/^\( *\)target_env = "gnu",$/\1any(target_env = "gnu", target_env = "musl"),/' \
            "$copy/lib/rustlib/src/rust/$times"
        [ "$(grep -c 'any(target_env = "gnu", target_env = "musl"),' "$copy/lib/rustlib/src/rust/$times")" -eq 4 ] ||
            fail "$source/$times is not as this script knows it: look up what it does there for glibc's 64-bit time"
        printf '#!/bin/sh\nexec /usr/bin/rustc --sysroot "%s" "$@"\n' "$copy" >"$copy/rustc"
        chmod 755 "$copy/rustc"
        touch "$copy/complete"
    fi
    printf '%s\n' "$copy"
}

has_target() { # has_target TRIPLE: is its standard library beside the default compiler, with 64-bit time?
    [[ $1 != arm* ]] && command -v rustc >/dev/null && compgen -G "$(rustc --print sysroot)/lib/rustlib/$1/lib/libstd-*.rlib" >/dev/null
}

auditable=$target_dir/auditable-tools-$auditable_version
if [ ! -x "$auditable/bin/cargo-auditable" ]; then
    say "building cargo-auditable $auditable_version"
    CARGO_TARGET_DIR=$auditable/build cargo install --quiet --locked \
        --version "=$auditable_version" --root "$auditable" cargo-auditable >&2
    rm -rf "$auditable/build"
fi

# The same source gives the same bytes, wherever this folder, cargo's and the target folder are, whoever
# builds, and whenever. Where several of these match, rustc and clang take the last.
umask 022
export LC_ALL=C TZ=UTC
SOURCE_DATE_EPOCH=$(packaging/epoch.sh)
export SOURCE_DATE_EPOCH
cargo_home=$(realpath -m "${CARGO_HOME:-$HOME/.cargo}")
# Before its folders are listed.
for name in "$@"; do
    cargo fetch --quiet --locked --target "${triples[$name]}"
done
flags="--remap-path-prefix=$PWD=/cu-agent --remap-path-prefix=$target_dir=/target"
c_flags="-ffile-prefix-map=$PWD=/cu-agent -ffile-prefix-map=$target_dir=/target"
for folder in "$cargo_home" "$cargo_home"/registry/src/*; do
    flags+=" --remap-path-prefix=$folder=/cargo"
    c_flags+=" -ffile-prefix-map=$folder=/cargo"
done
# A panic ends the process where it is: nothing ever walks these tables, a tenth of the binary.
flags+=" -Cforce-unwind-tables=no"
export TARGET_CFLAGS="-fno-unwind-tables -fno-asynchronous-unwind-tables $c_flags ${TARGET_CFLAGS:-}"
# For `cargo zigbuild`, which cargo-auditable starts. That names itself to cargo by its path, and cargo makes the
# names of symbols, and so their order, of it: by its bare name it is the same wherever the target folder is.
mkdir -p "$auditable/by-name"
printf '#!/bin/sh\nRUSTC_WORKSPACE_WRAPPER=cargo-auditable exec "$BUILD_CARGO" "$@"\n' >"$auditable/by-name/cargo"
chmod 755 "$auditable/by-name/cargo"
export PATH=$tools/bin:$auditable/bin:$PATH

pinned() { # pinned COMPILER: is it the one that releases are built with?
    case "$1" in
        "rustc $rust_version "*) ;;
        *)
            [ -z "${CROSS_PINNED:-}" ] || fail "$1 is not the $rust_version of releases (cross/build.sh)"
            say "$1 is not the $rust_version of releases: the bytes will differ from theirs"
            ;;
    esac
}

for name in "$@"; do
    triple=${triples[$name]}
    begun=$SECONDS
    build=(auditable zigbuild --locked --profile gateway --target "$triple" -j "$jobs" --target-dir "$target_dir/cross-build")
    if has_target "$triple"; then
        say "$name: with $(rustc --version) and rustup's standard library"
        pinned "$(rustc --version)"
        BUILD_CARGO=cargo CARGO=$auditable/by-name/cargo RUSTFLAGS=$flags \
            "$auditable/bin/cargo-auditable" "${build[@]}"
    elif [ -x /usr/bin/cargo ] && [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library" ]; then
        say "$name: with Debian's $(/usr/bin/rustc --version), its standard library compiled too"
        pinned "$(/usr/bin/rustc --version)"
        rustc=/usr/bin/rustc own_flags=$flags
        if [[ $triple == arm* ]]; then
            sysroot=$(sysroot_of_64_bit_time)
            rustc=$sysroot/rustc
            own_flags+=" --remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rust"
            # Below this folder cargo names it by the rest of its path.
            own_flags+=" --remap-path-prefix=${sysroot#"$PWD"/}/lib/rustlib/src/rust=/rust"
        fi
        # zig links its own crt1.o, which rustc would look for in the standard library's folder.
        BUILD_CARGO=/usr/bin/cargo CARGO=$auditable/by-name/cargo RUSTC=$rustc RUSTC_BOOTSTRAP=1 \
            RUSTFLAGS="-Clink-self-contained=no $own_flags" \
            "$auditable/bin/cargo-auditable" "${build[@]}" -Zbuild-std=std,panic_abort
    else
        fail "$name: neither rustup's target (of 64-bit processors) nor Debian's library source is here; run one of
  rustup target add $triple
  tests/install-test-tools.sh cross"
    fi
    mkdir -p "$target_dir/cross/$name"
    cp "$target_dir/cross-build/$triple/gateway/cu-agent" "$target_dir/cross/$name/cu-agent"
    say "$name: $target_dir/cross/$name/cu-agent, $(stat -c %s "$target_dir/cross/$name/cu-agent") bytes, $((SECONDS - begun)) s"
done
