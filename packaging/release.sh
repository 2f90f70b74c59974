#!/usr/bin/env bash
# Makes everything that is published of a version, in one folder that apt and field updates can both be
# pointed at: put it on a web server as it is. docs/release.md tells how a release is made.
#
#   packaging/release.sh --key FILE --gpg-key NAME [OPTION]... VERSION
#
#   VERSION            as in Cargo.toml
#   --key FILE         minisign's secret key, for manifest.json and SHA256SUMS (created by: minisign -G). May be
#                      given several times, where gateways need the signatures of several
#   --gpg-key NAME     whose OpenPGP key in gpg's keyring signs the repository of apt
#   --out FOLDER       default: target/release-VERSION
#   --previous FOLDER  the folder of the release before: its packages, to which gateways can go back, its keys-*.json,
#                      and the serial and the withdrawn versions of its manifest are taken over
#   --rollout PERCENT  share of the gateways that install it at first; default: 5
#   --binaries FOLDER  wraps the binaries that are there, FOLDER/TARGET/cu-agent, instead of building all four:
#                      for tests. TARGET is aarch64, armv7, armv6 or x86_64
#
# Refuses what cannot be made again (changes that are not committed, another compiler than the pinned one) and
# what a publisher has not filled in. The folder appears when it is complete.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

say() { printf 'release: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
usage() {
    say "usage: packaging/release.sh --key FILE --gpg-key NAME [--out FOLDER] [--previous FOLDER] [--rollout PERCENT] [--binaries FOLDER] VERSION"
    exit 2
}

keys=() gpg_key='' out='' previous='' rollout=5 binaries=''
while [ $# -gt 1 ]; do
    case "$1" in
        --key) keys+=("$(realpath -m "$2")") ;;
        --gpg-key) gpg_key=$2 ;;
        --out) out=$(realpath -m "$2") ;;
        --previous) previous=$(realpath -m "$2") ;;
        --rollout) rollout=$2 ;;
        --binaries) binaries=$(realpath -m "$2") ;;
        *) usage ;;
    esac
    shift 2
done
[ $# -eq 1 ] || usage
version=$1
cd "$here"
target_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")
out=${out:-$target_dir/release-$version}
deb_version=${version/-/\~}

# Everything that is wrong, in one run.
wrong=()
is() { # is "WHAT IS WRONG, AND WHAT TO DO" COMMAND...: if COMMAND fails
    local what=$1
    shift
    "$@" >/dev/null 2>&1 || wrong+=("$what")
}
for tool in jq minisign gpg dpkg-scanpackages; do
    is "$tool is missing: tests/install-test-tools.sh release" command -v "$tool"
done
[ ${#keys[@]} -gt 0 ] || wrong+=("no --key FILE (make: KEY=): minisign's secret key, made by: minisign -G")
for key in ${keys[@]+"${keys[@]}"}; do
    is "the key $key cannot be read" test -r "$key"
done
if [ -z "$gpg_key" ]; then
    wrong+=("no --gpg-key NAME (make: GPG_KEY=): apt takes only a signed repository; a key is made by: gpg --quick-generate-key NAME")
else
    is "gpg has no secret key of '$gpg_key': gpg --list-secret-keys" gpg --batch --list-secret-keys "$gpg_key"
fi
if changes=$(git status --porcelain 2>&1); then
    [ -z "$changes" ] || wrong+=("not everything is committed, so nobody could make the same: git status shows
$changes")
else
    wrong+=("this is no git repository: a release is made of a commit")
fi
of_cargo=$(sed -n '/^\[package\]/,/^\[dep/s/^version = "\(.*\)"/\1/p' Cargo.toml)
[ "$version" = "$of_cargo" ] || wrong+=("VERSION is $version, Cargo.toml has version = \"$of_cargo\"")
of_changelog=$(sed -n '1s/^cu-agent (\(.*\)) .*/\1/p' packaging/changelog)
[ "$deb_version" = "$of_changelog" ] ||
    wrong+=("the first entry of packaging/changelog is of version '$of_changelog', not $deb_version: add one")
is "CHANGELOG.md has no section '## [$version]': rename [Unreleased], and begin a new one above it" \
    grep -qF "## [$version]" CHANGELOG.md
# Addresses that only a publisher has.
while IFS=: read -r file line text; do
    wrong+=("$file, line $line still has a placeholder: put your own address where '.example' is: $text")
done < <(
    grep -nHF .example SECURITY.md
    grep -nHE '@[A-Za-z0-9.-]+\.example\b' Cargo.toml packaging/changelog packaging/copyright
)
[ ! -e "$out" ] || wrong+=("$out exists already: a release is never made over another; remove it, or name another with --out (make: OUT=)")
[ -z "$previous" ] || is "--previous $previous (make: PREVIOUS=) has no manifest.json" test -e "$previous/manifest.json"
declare -A architectures=([aarch64]=arm64 [armv6]=armhf [x86_64]=amd64)
declare -A triples=(
    [aarch64]=aarch64-unknown-linux-musl
    [armv7]=armv7-unknown-linux-musleabihf
    [armv6]=arm-unknown-linux-musleabihf
    [x86_64]=x86_64-unknown-linux-musl
)
targets=(aarch64 armv7 armv6 x86_64)
if [ -n "$binaries" ]; then
    targets=()
    for target in aarch64 armv7 armv6 x86_64; do
        [ ! -e "$binaries/$target/cu-agent" ] || targets+=("$target")
    done
    [ ${#targets[@]} -gt 0 ] || wrong+=("--binaries $binaries has no TARGET/cu-agent")
fi
if [ ${#wrong[@]} -gt 0 ]; then
    say "$version is not made:"
    printf '  - %s\n' "${wrong[@]}" >&2
    exit 1
fi

umask 022
export LC_ALL=C TZ=UTC
SOURCE_DATE_EPOCH=$(packaging/epoch.sh)
export SOURCE_DATE_EPOCH
if [ -z "$binaries" ]; then
    CROSS_PINNED=1 cross/build.sh "${targets[@]}"
    binaries=$target_dir/cross
    for target in "${targets[@]}"; do
        packaging/linked.py check "${triples[$target]}" "$binaries/$target/cu-agent"
    done
    if [ "$(id -u)" -eq 0 ]; then
        cross/check.sh "${targets[@]}"
    else
        say "NOT TRIED: cross/check.sh needs root; run it on these binaries before they are published"
    fi
fi

new=$out.part
rm -rf "$new"
mkdir -p "$new"
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
for target in "${targets[@]}"; do
    binary=$binaries/$target/cu-agent
    cp "$binary" "$new/cu-agent-$version-$target"
    chmod 755 "$new/cu-agent-$version-$target"
    packaging/linked.py sbom "${triples[$target]}" "$binary" "$version" >"$new/cu-agent-$version-$target.cdx.json"
    [ -z "${architectures[$target]:-}" ] ||
        say "$(packaging/deb.sh "$binary" "${architectures[$target]}" "$deb_version" "$new")"
    mkdir -p "$context/target/cross/$target"
    cp "$new/cu-agent-$version-$target" "$context/target/cross/$target/cu-agent"
done
packaging/linked.py notices "${triples[${targets[0]}]}" "$version" >"$new/third-party-notices.txt"
cp CHANGELOG.md SECURITY.md LICENSE-APACHE LICENSE-MIT "$new/"

# The image is built in this folder: docker build --file docker/Dockerfile .
git archive HEAD docker | tar --extract --directory "$context"
tar --create --sort=name --format=ustar --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --mode=u=rwX,go=rX --directory "$context" docker target | gzip -9n >"$new/cu-agent-$version-container.tar.gz"

# What it was made of and with: for who makes the same again.
{
    printf 'commit: %s\n' "$(git rev-parse HEAD)"
    printf 'SOURCE_DATE_EPOCH: %s\n' "$SOURCE_DATE_EPOCH"
    for target in "${targets[@]}"; do
        printf 'rustc of %s: %s\n' "$target" "$(packaging/linked.py compiler "$new/cu-agent-$version-$target")"
    done
    sed -n 's/^\([a-z].*\)==\([^ ]*\).*/\1: \2/p' cross/tools.txt
    sed -n 's/^auditable_version=/cargo-auditable: /p' cross/build.sh
    sed -n 's/^cargo_deb_version=/cargo-deb: /p' packaging/deb.sh
    for package in rustc-web rust-web-src dpkg xz-utils gzip tar; do
        dpkg-query --show --showformat='Debian package ${Package}: ${Version}\n' "$package" 2>/dev/null ||
            printf 'Debian package %s: not installed\n' "$package"
    done
} >"$new/BUILD.txt"

if [ -n "$previous" ]; then
    for file in "$previous"/cu-agent_*.deb "$previous"/keys-*.json "$previous"/keys-*.json.minisig \
        "$previous"/manifest.json; do
        [ ! -e "$file" ] || [ -e "$new/$(basename "$file")" ] || cp "$file" "$new/"
    done
fi

# Field updates.
signers=()
for key in "${keys[@]}"; do
    signers+=(--key "$key")
done
packaging/manifest.sh "${signers[@]}" --rollout "$rollout" "$new" "$deb_version"

# apt.
(
    cd "$new"
    dpkg-scanpackages --multiversion . >Packages 2>/dev/null
    gzip -9nk Packages
    {
        printf 'Origin: cu-agent\nLabel: cu-agent\nArchitectures: amd64 arm64 armhf\n'
        printf 'Date: %s\nSHA256:\n' "$(date --utc --rfc-email)"
        for index in Packages Packages.gz; do
            printf ' %s %s %s\n' "$(sha256sum $index | cut -d' ' -f1)" "$(stat -c %s $index)" "$index"
        done
    } >Release
    sign=(gpg --quiet --batch --yes --local-user "$gpg_key")
    "${sign[@]}" --clearsign --output InRelease Release
    "${sign[@]}" --armor --detach-sign --output Release.gpg Release
    gpg --quiet --batch --export "$gpg_key" >cu-agent.gpg
)

# What has a signature of its own, and may be renewed, is not in the list.
(
    cd "$new"
    find . -maxdepth 1 -type f ! -name 'manifest.json*' ! -name '*Release*' ! -name 'SHA256SUMS*' -printf '%P\n' |
        sort | xargs -d '\n' sha256sum >SHA256SUMS
    : >SHA256SUMS.minisig
    for key in "${keys[@]}"; do
        minisign -S -H -s "$key" -m SHA256SUMS -x SHA256SUMS.one -t "cu-agent $version" >/dev/null
        cat SHA256SUMS.one >>SHA256SUMS.minisig
    done
    rm -f SHA256SUMS.one
)
mv "$new" "$out"
say "$version is in $out, for $rollout % of the gateways at first"
