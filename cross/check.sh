#!/usr/bin/env bash
# What a gateway's binary must be, checked on target/cross/TARGET/cu-agent as it was built.
#
#   cross/check.sh aarch64 armv6   static, small enough, with the list of its crates, and at work under qemu-user
#
# The work is a golden case read from a folder: the sessions must be those that the case expects.
set -euo pipefail
cd "$(dirname "$0")/.."

# Of the binary, which a gateway's SD card and a plant's radio link carry. aarch64 is what gateways are bought
# with; the others come out larger from the same source. docs/performance.md says what it grew by, and for what.
declare -A most_bytes=(
    [aarch64]=$((15 * 512 * 1024))
    [armv7]=$((9 * 1024 * 1024))
    [armv6]=$((9 * 1024 * 1024))
    [x86_64]=$((9 * 1024 * 1024))
)
target_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")
case_dir=tests/golden/clean

fail() { printf 'cross: %s\n' "$*" >&2; exit 1; }

declare -A emulators=(
    [aarch64]="qemu-aarch64-static -cpu cortex-a53"
    [armv7]="qemu-arm-static -cpu cortex-a7"
    [armv6]="qemu-arm-static -cpu arm1176"
    [x86_64]="qemu-x86_64-static"
)

declare -A triples=(
    [aarch64]=aarch64-unknown-linux-musl
    [armv7]=armv7-unknown-linux-musleabihf
    [armv6]=arm-unknown-linux-musleabihf
    [x86_64]=x86_64-unknown-linux-musl
)

[ "$(id -u)" -eq 0 ] || fail "run it as root: the binary is tried in an empty root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for name in "${@:?which target?}"; do
    binary=$target_dir/cross/$name/cu-agent
    [ -n "${emulators[$name]:-}" ] || fail "unknown target '$name'"
    [ -x "$binary" ] || fail "$binary is not there; cross/build.sh $name makes it"

    file --brief "$binary" | grep -qE 'statically linked|static-pie linked' ||
        fail "$name: $(file --brief "$binary")"
    ! readelf --wide --program-headers "$binary" | grep -q INTERP || fail "$name: it asks for an interpreter"
    ! readelf --wide --dynamic "$binary" | grep -q NEEDED || fail "$name: it asks for libraries"
    bytes=$(stat -c %s "$binary")
    most=${most_bytes[$name]}
    [ "$bytes" -le "$most" ] || fail "$name: $bytes bytes, more than $most"

    packaging/linked.py check "${triples[$name]}" "$binary"

    # In an empty root: nothing but the emulator, the binary and what it is to read.
    read -ra emulator <<<"${emulators[$name]}"
    root=$work/$name
    mkdir -p "$root/state"
    cp "$(command -v "${emulator[0]}")" "$root/emulator"
    cp "$binary" "$root/cu-agent"
    cp -r "$case_dir" "$root/logs"
    {
        printf '[agent]\nid = "cross"\nstate_dir = "/state"\n[status]\nlisten = ""\n'
        printf '[[source]]\nname = "cu"\nkind = "directory"\npath = "/logs"\n[source.folders]\n'
        printf '"DEM12 (PVC)" = { nom = "DEM12", type_cu = "DEM12" }\n'
        printf '"DEMALU (ALU)" = { nom = "DEMALU", type_cu = "DEMALU" }\n'
        printf '"SU12 (HYBRIDE)" = { nom = "SU12", type_cu = "SU12" }\n'
    } >"$root/config.toml"
    run() { chroot "$root" /emulator "${emulator[@]:1}" /cu-agent --config /config.toml "$@"; }
    run --version
    run check
    run once
    run sessions --json >"$work/$name.json"
    jq --exit-status --slurpfile expected "$case_dir.expected.json" \
        -f cross/same-sessions.jq "$work/$name.json" >/dev/null || fail "$name: other sessions than the case expects"
    printf 'cross: %s is static, %s bytes, and computes the golden case\n' "$name" "$bytes"

    # 32 bits of seconds since 1970 end in January 2038. libfaketime reaches the clock of an emulator that is not
    # static.
    [[ $name == armv* ]] || continue
    sed "s|\"/state\"|\"$root/2039\"|; s|\"/logs\"|\"$root/logs\"|" "$root/config.toml" >"$root/2039.toml"
    in_2039() {
        env LD_PRELOAD="$(echo /usr/lib/*/faketime/libfaketimeMT.so.1)" FAKETIME='@2039-03-04 06:10:00' TZ=UTC \
            FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1 \
            "${emulator[0]%-static}" "${emulator[@]:1}" "$binary" --config "$root/2039.toml" "$@"
    }
    in_2039 once 2>"$work/2039.log" || fail "$name: once in 2039: $(cat "$work/2039.log")"
    grep -q '^2039-03-04 06:1' "$work/2039.log" || fail "$name: its log is not of 2039: $(cat "$work/2039.log")"
    in_2039 sessions --json >"$work/$name.json"
    jq --exit-status --slurpfile expected "$case_dir.expected.json" \
        -f cross/same-sessions.jq "$work/$name.json" >/dev/null || fail "$name: other sessions in 2039"
    printf 'cross: %s does so in 2039 too\n' "$name"
done
