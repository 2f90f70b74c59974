#!/usr/bin/env bash
# Builds the packages for gateways: the static binaries of cross/, each in a .deb.
#
#   packaging/build.sh                 arm64, armhf, amd64
#   packaging/build.sh arm64           one of them
#   DEB_VERSION=0.2.0~rc1 …            a version other than that of Cargo.toml
#
# The packages are target/deb/cu-agent_VERSION_ARCH.deb.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A targets=([arm64]=aarch64 [armhf]=armv6 [amd64]=x86_64)
[ $# -gt 0 ] || set -- arm64 armhf amd64
for arch in "$@"; do
    [ -n "${targets[$arch]:-}" ] || {
        printf 'deb: unknown architecture %s; there are: arm64 armhf amd64\n' "'$arch'" >&2
        exit 2
    }
done

# A pre-release is older than its release, which Debian writes with a tilde.
cargo_version=$(sed -n '/^\[package\]/,/^\[dep/s/^version = "\(.*\)"/\1/p' Cargo.toml)
version=${DEB_VERSION:-${cargo_version/-/\~}}
target_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")
for arch in "$@"; do
    target=${targets[$arch]}
    cross/build.sh "$target"
    package=$(packaging/deb.sh "$target_dir/cross/$target/cu-agent" "$arch" "$version" "$target_dir/deb")
    printf '%s, %s bytes\n' "$package" "$(stat -c %s "$package")"
done
