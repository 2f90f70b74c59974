#!/usr/bin/env bash
# Makes the list of what gateways are to install, and signs it: the publisher's side of self-update.
#
#   packaging/manifest.sh [OPTION]... FOLDER VERSION
#
#   FOLDER   contains the packages, cu-agent_VERSION_ARCH.deb; manifest.json and its signature
#            manifest.json.minisig are written there. Publish it unchanged on an HTTPS server.
#   VERSION  what gateways are to install. Every other version in FOLDER is listed as a former one, to
#            which a gateway can roll back: leave the packages of all versions still in use there.
#
#   --key FILE           minisign's secret key (created by: minisign -G); asks for its password
#   --rollout PERCENT    share of the gateways that install it; default: 100
#   --not-before TIME    earliest time of installation, such as 2026-12-01T20:00:00+01:00
#   --minimum VERSION    gateways with an older version must be upgraded to this one by hand first
#
# The two files are replaced one after the other: a gateway that asks in between finds that the
# signature does not match, and asks again an hour later.
set -euo pipefail

say() { printf 'manifest: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
usage() { say "usage: packaging/manifest.sh [--key FILE] [--rollout PERCENT] [--not-before TIME] [--minimum VERSION] FOLDER VERSION"; exit 2; }

key=${HOME:-/root}/.minisign/minisign.key rollout=100 not_before= minimum=
while [ $# -gt 2 ]; do
    case "$1" in
        --key) key=$2 ;;
        --rollout) rollout=$2 ;;
        --not-before) not_before=$2 ;;
        --minimum) minimum=$2 ;;
        *) usage ;;
    esac
    shift 2
done
[ $# -eq 2 ] || usage
folder=$1 version=$2
[ -r "$key" ] || fail "the key $key cannot be read; make one with: minisign -G"
case "$rollout" in
    *[!0-9]* | '') fail "--rollout $rollout is not a percentage" ;;
esac
[ "$rollout" -le 100 ] || fail "--rollout $rollout is not a percentage"
for tool in jq minisign dpkg-deb sha256sum; do
    command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install jq minisign dpkg"
done

# One line a package: version, architecture, file, size, hash.
listed=$(mktemp)
trap 'rm -f "$listed"' EXIT
for file in "$folder"/cu-agent_*.deb; do
    [ -e "$file" ] || fail "$folder contains no cu-agent_VERSION_ARCH.deb; run make deb"
    # What the file says counts, not its name.
    read -r name its_version architecture < <(
        dpkg-deb --show --showformat='${Package} ${Version} ${Architecture}\n' "$file"
    )
    [ "$name" = cu-agent ] || fail "$file is the package $name"
    hash=$(sha256sum "$file" | cut -d' ' -f1)
    jq -cn --arg version "$its_version" --arg arch "$architecture" --arg url "$(basename "$file")" \
        --argjson size "$(stat -c %s "$file")" --arg sha256 "$hash" '$ARGS.named' >>"$listed"
done
jq -es --arg version "$version" 'any(.version == $version)' "$listed" >/dev/null ||
    fail "$folder contains no package of version $version"

new=$folder/manifest.json.new
jq -s --arg version "$version" --arg not_before "$not_before" --arg minimum "$minimum" \
    --argjson rollout "$rollout" '
    def packages: map({key: .arch, value: {url, size, sha256}}) | from_entries;
    {format: 1, version: $version, rollout_percent: $rollout}
    + if $not_before == "" then {} else {not_before: $not_before} end
    + if $minimum == "" then {} else {minimum_version: $minimum} end
    + {packages: map(select(.version == $version)) | packages,
       previous: (map(select(.version != $version)) | group_by(.version)
           | map({version: .[0].version, packages: packages}))}' "$listed" >"$new"
minisign -S -H -s "$key" -m "$new" -x "$new.minisig" -t "cu-agent $version" >/dev/null ||
    fail "minisign did not sign"
mv "$new.minisig" "$folder/manifest.json.minisig"
mv "$new" "$folder/manifest.json"
say "$version for $(jq -r '.packages | keys | join(", ")' "$folder/manifest.json"); to go back to: $(jq -r '.previous | map(.version) | join(", ")' "$folder/manifest.json")"
