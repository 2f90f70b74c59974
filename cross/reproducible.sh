#!/usr/bin/env bash
# Builds targets twice and compares the bytes of the binaries and of their packages.
#
#   cross/reproducible.sh                 all targets
#   cross/reproducible.sh aarch64 armv6   some of them: aarch64, armv7, armv6, x86_64
#
# The first build is the one of this folder, as it is or made now. The second is made of a copy without git, in
# another folder, with a target folder, a home and a cargo of its own, by another user with another umask, locale
# and time zone, 400 days from now. Run as root. Crates and cargo's tools are copied; zig is fetched again.
#
# What differs is kept, and named, for the comparison by hand.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'reproducible: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

declare -A architectures=([aarch64]=arm64 [armv6]=armhf [x86_64]=amd64)
[ $# -gt 0 ] || set -- aarch64 armv7 armv6 x86_64
[ "$(id -u)" -eq 0 ] || fail "run it as root: the second build is another user's"
for tool in faketime setpriv; do
    command -v "$tool" >/dev/null || fail "$tool is missing: tests/install-test-tools.sh"
done
target_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")
cargo_home=$(realpath -m "${CARGO_HOME:-$HOME/.cargo}")
version=$(sed -n '/^\[package\]/,/^\[dep/s/^version = "\(.*\)"/\1/p' Cargo.toml)

packages() { # packages BUILT OUTDIR: prints the script that wraps each target that has a package
    local target
    for target in "${targets[@]}"; do
        [ -z "${architectures[$target]:-}" ] ||
            printf 'packaging/deb.sh %q %s %s %q >/dev/null\n' \
                "$1/$target/cu-agent" "${architectures[$target]}" "$version" "$2"
    done
}

targets=("$@")
cross/build.sh "${targets[@]}"
work=$(mktemp -d)
ended=no
cleanup() { [ "$ended" = no ] || rm -rf "$work"; }
trap cleanup EXIT
trap 'ended=yes; exit 130' INT TERM
bash -euo pipefail -c "$(packages "$target_dir/cross" "$work/first")"

# Under a folder whose name is longer, so that no path has the same length either.
second=$work/the-second-build/of-another-user
mkdir -p "$second"/{source,home,target,cargo/registry}
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
done | tar --create --null --files-from - | tar --extract --directory "$second/source"
cp -r "$cargo_home/registry/index" "$cargo_home/registry/cache" "$second/cargo/registry/"
[ ! -e "$cargo_home/config.toml" ] || cp "$cargo_home/config.toml" "$second/cargo/"
for tools in "$target_dir"/{auditable,deb}-tools-*; do
    [ ! -e "$tools" ] || cp -r "$tools" "$second/target/"
done
chmod -R go-rwx "$second/source"
chmod 711 "$work"
chown -R 54321:54321 "$work/the-second-build"

as_another=(env -i "PATH=/usr/local/bin:/usr/bin:/bin" "HOME=$second/home" "CARGO_HOME=$second/cargo"
    "CARGO_TARGET_DIR=$second/target" LANG=fr_FR.UTF-8 LC_ALL=C.UTF-8 TZ=Pacific/Kiritimati
    "CROSS_JOBS=${CROSS_JOBS:-}" setpriv --reuid 54321 --regid 54321 --clear-groups)
say "the second build, in $second"
begun=$SECONDS
(
    umask 077
    cd "$second/source"
    "${as_another[@]}" cross/build.sh "${targets[@]}"
    # The clock of what stamps files; a compiler whose files are of the future builds everything again.
    "${as_another[@]}" faketime -f +400d bash -euo pipefail -c "$(packages "$second/target/cross" "$second/packages")"
)
say "built and packaged in $((SECONDS - begun)) s"

differing=()
same() { # same FIRST SECOND
    if cmp -s "$1" "$2"; then
        say "$(basename "$(dirname "$1")")/$(basename "$1"): $(sha256sum "$1" | cut -d' ' -f1), $(stat -c %s "$1") bytes, both"
    else
        differing+=("$1" "$2")
    fi
}
for target in "${targets[@]}"; do
    same "$target_dir/cross/$target/cu-agent" "$second/target/cross/$target/cu-agent"
done
for package in "$work"/first/*.deb; do
    [ -e "$package" ] || continue
    other=$second/packages/$(basename "$package")
    same "$package" "$other"
    cmp -s "$package" "$other" && continue
    # Which of its files, and which of their owners, modes and times.
    for one in "$package" "$other"; do
        mkdir -p "$one.unpacked"
        dpkg-deb --raw-extract "$one" "$one.unpacked"
        (dpkg-deb --ctrl-tarfile "$one"; dpkg-deb --fsys-tarfile "$one") |
            tar --list --verbose --ignore-zeros --full-time >"$one.listed"
    done
    diff "$package.listed" "$other.listed" >&2 || true
    diff --recursive --brief "$package.unpacked" "$other.unpacked" >&2 || true
done
if [ ${#differing[@]} -gt 0 ]; then
    say "the two builds differ:"
    printf '  %s\n' "${differing[@]}" >&2
    exit 1
fi
ended=yes
say "both builds gave the same bytes"
