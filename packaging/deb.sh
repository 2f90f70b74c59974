#!/usr/bin/env bash
# Wraps a binary into a Debian package.
#
#   packaging/deb.sh BINARY ARCH VERSION OUTDIR
#
#   BINARY   the program: a static one of target/cross/, or any build that a test wants to install
#   ARCH     arm64, armhf or amd64: what BINARY runs on
#   VERSION  of the package, as Debian compares it: 0.1.0, 0.0.9, 0.2.0~rc1
#   OUTDIR   where cu-agent_VERSION_ARCH.deb is written; created if it is missing
#
# Prints the path of the package on standard output and nothing else. A binary that needs shared
# libraries gets them as dependencies; symbols are stripped if this machine's strip can do so.
# DEB_FAST=1 compresses less, for tests.
#
# Cargo.toml lists the package's contents under [package.metadata.deb]. cargo-deb is built into
# target/ if it is missing, in the version below and with the dependencies it was released with.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

# Released 2026; MIT. Its own Cargo.lock pins its dependencies.
cargo_deb_version=3.8.0

say() { printf 'deb: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

[ $# -eq 4 ] || { say "usage: packaging/deb.sh BINARY ARCH VERSION OUTDIR"; exit 2; }
binary=$(realpath -e "$1") || fail "$1 does not exist; build a gateway's binary with: make cross"
arch=$2 version=$3
mkdir -p "$4"
out=$(realpath "$4")
cd "$here"

# The same source and the same binary give the same package, wherever, whenever and by whomever it is made.
umask 022
export LC_ALL=C TZ=UTC
SOURCE_DATE_EPOCH=$(packaging/epoch.sh)
export SOURCE_DATE_EPOCH

declare -A triples=(
    [arm64]=aarch64-unknown-linux-musl
    # armhf means ARMv7 in Debian and ARMv6 in Raspberry Pi OS: one package for every Pi.
    [armhf]=arm-unknown-linux-musleabihf
    [amd64]=x86_64-unknown-linux-musl
)
triple=${triples[$arch]:-}
[ -n "$triple" ] || { say "unknown architecture '$arch'; known: ${!triples[*]}"; exit 2; }

# A package for the wrong processor would be installed and then not start.
machine=$(readelf --file-header "$binary" | sed -n 's/^ *Machine: *//p')
case "$arch/$machine" in
    arm64/AArch64 | armhf/ARM | "amd64/Advanced Micro Devices X86-64") ;;
    *) fail "$binary is for '$machine', not for $arch" ;;
esac

target_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")
tools=$target_dir/deb-tools-$cargo_deb_version
# Tests may call this at the same time.
mkdir -p "$target_dir"
exec 9>"$target_dir/.deb-tools.lock"
flock 9
if [ ! -x "$tools/bin/cargo-deb" ]; then
    say "building cargo-deb $cargo_deb_version"
    # Without lzma: the installed xz compresses, so that no C library has to be compiled.
    CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --no-default-features \
        --version "=$cargo_deb_version" --root "$tools" cargo-deb >&2
    rm -rf "$tools/build"
fi
flock -u 9
exec 9>&-

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
# cargo-deb expects the build in a target folder, so it gets one of its own.
built=$stage/$triple/release
mkdir -p "$built/packaged/units"
# What cross/build.sh made is stripped already, and stays as it is.
if [ "$arch" = "$(dpkg --print-architecture)" ] && readelf --sections "$binary" | grep -qF .symtab; then
    strip -o "$built/cu-agent" "$binary"
else
    cp "$binary" "$built/cu-agent"
fi
chmod 755 "$built/cu-agent"

# The configuration of a fresh installation: the example, with empty values for what only the plant
# knows, so that the agent waits until they are filled in.
packaging/config.sh <config.toml.example >"$built/packaged/config.toml"
: >"$built/packaged/empty"
for unit in systemd/*.service systemd/*.timer; do
    [ ! -e "$unit" ] || cp "$unit" "$built/packaged/units/"
done
# What is linked into it. A crate without its licence's text ends here.
packaging/linked.py sbom "$triple" "$built/cu-agent" "$version" >"$built/packaged/cu-agent.cdx.json"
packaging/linked.py notices "$triple" "$version" >"$stage/notices"
gzip -9n <"$stage/notices" >"$built/packaged/third-party-notices.gz"
# The newest entry of the changelog gets the version that is packaged.
sed "1s/(.*)/($version)/" packaging/changelog >"$built/packaged/changelog"
for page in packaging/man/*.[15]; do
    gzip -9n <"$page" >"$built/packaged/$(basename "$page").gz"
done
gzip -9n <"$built/packaged/changelog" >"$built/packaged/changelog.gz"

pack=(deb --no-build --no-strip --quiet --offline --target "$triple" --deb-version "$version" --output "$stage/out/")
if [ -n "${DEB_FAST:-}" ]; then
    pack+=(--fast)
fi
mkdir "$stage/out"
CARGO_TARGET_DIR=$stage "$tools/bin/cargo-deb" "${pack[@]}" >/dev/null

package=cu-agent_${version}_$arch.deb
[ -e "$stage/out/$package" ] || fail "cargo-deb made $(ls "$stage/out"), not $package"
mv "$stage/out/$package" "$out/$package"
printf '%s\n' "$out/$package"
