#!/usr/bin/env bash
# Makes a set of the keys whose signatures gateways accept, and signs it: keys-VERSION.json and its signatures
# keys-VERSION.json.minisig. The first set goes into the package as packaging/update-keys.json; each later one
# is published beside manifest.json, stays there, and is what gateways hand over to by themselves.
#
#   packaging/keys.sh [OPTION]... FOLDER VERSION
#
#   FOLDER   where the two files are written
#   VERSION  1 for the first set, and one more for each later one
#
#   --root PUB                 public key (minisign.pub) of one who signs the next set: kept offline
#   --root-threshold N         how many of them must sign; default: 1
#   --manifest PUB             public key of one who signs manifests
#   --manifest-threshold N     how many of them must sign; default: 1
#   --sign KEY                 secret key that signs this set. Enough root keys of the set before and of this
#                              one must. Where they lie apart, run it with the same options on each machine
#                              and append the signatures: cat */keys-2.json.minisig
#
# --root, --manifest and --sign may be given several times.
set -euo pipefail

say() { printf 'keys: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
usage() {
    say "usage: packaging/keys.sh --root PUB... [--root-threshold N] --manifest PUB... [--manifest-threshold N] --sign KEY... FOLDER VERSION"
    exit 2
}

root=() manifest=() sign=() root_threshold=1 manifest_threshold=1
while [ $# -gt 2 ]; do
    case "$1" in
        --root) root+=("$2") ;;
        --root-threshold) root_threshold=$2 ;;
        --manifest) manifest+=("$2") ;;
        --manifest-threshold) manifest_threshold=$2 ;;
        --sign) sign+=("$2") ;;
        *) usage ;;
    esac
    shift 2
done
if [ $# -ne 2 ] || [ ${#root[@]} -eq 0 ] || [ ${#manifest[@]} -eq 0 ] || [ ${#sign[@]} -eq 0 ]; then
    usage
fi
folder=$1 version=$2
case "$version" in
    *[!0-9]* | '' | 0*) fail "VERSION $version is not a number from 1" ;;
esac
within() { # within NAME THRESHOLD COUNT
    case "$2" in
        *[!0-9]* | '' | 0* | ????*) fail "--$1-threshold $2 is not a number from 1" ;;
    esac
    [ "$2" -le "$3" ] || fail "--$1-threshold $2 is more than the $3 keys of --$1"
}
within root "$root_threshold" ${#root[@]}
within manifest "$manifest_threshold" ${#manifest[@]}
for tool in jq minisign; do
    command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install jq minisign"
done
public() { # The second line of each file.
    local file
    for file in "$@"; do
        [ -r "$file" ] || fail "the public key $file cannot be read"
        sed -n 2p "$file"
    done | jq -Rn '[inputs]'
}

root_keys=$(public "${root[@]}") || exit 1
manifest_keys=$(public "${manifest[@]}") || exit 1
for key in "${sign[@]}"; do
    [ -r "$key" ] || fail "the secret key $key cannot be read"
done
set=$folder/keys-$version.json
mkdir -p "$folder"
jq -n --argjson version "$version" --argjson root "$root_keys" --argjson manifest "$manifest_keys" \
    --argjson rt "$root_threshold" --argjson mt "$manifest_threshold" \
    '{format: 1, product: "cu-agent", $version,
      root: {threshold: $rt, keys: $root}, manifest: {threshold: $mt, keys: $manifest}}' >"$set"
: >"$set.minisig"
for key in "${sign[@]}"; do
    minisign -S -H -s "$key" -m "$set" -x "$set.one" -t "cu-agent keys $version" >/dev/null ||
        fail "minisign did not sign with $key"
    cat "$set.one" >>"$set.minisig"
done
rm -f "$set.one"
say "version $version: manifests need $manifest_threshold of ${#manifest[@]} signatures, the next set $root_threshold of ${#root[@]}"
