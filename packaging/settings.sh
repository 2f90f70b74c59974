#!/usr/bin/env bash
# Makes a settings document for gateways, and signs it: configuration that central gives to all of them.
#
#   packaging/settings.sh [OPTION]... SETTINGS DOCUMENT
#
#   SETTINGS  TOML with the keys that may come from central (docs/settings.md); an empty file takes all back
#   DOCUMENT  where the document is written, and its signatures beside it as DOCUMENT.minisig. Publish it with
#             cu-agent central settings put DOCUMENT
#
#   --key FILE       minisign's secret key (created by: minisign -G); asks for its password. May be given several
#                    times, where gateways need the signatures of several (packaging/keys.sh)
#   --gateway ID     only this gateway (agent.id) takes it; the others keep what they have. May be given several
#                    times
#   --expires DAYS   days after which no gateway takes it; what was taken stays; default: 365
#
# Each document has a higher serial than the one before; gateways refuse a lower one than they have seen. The serial
# is the time in seconds since 1970, or one more than that of DOCUMENT before.
set -euo pipefail

say() { printf 'settings: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
usage() {
    say "usage: packaging/settings.sh [--key FILE]... [--gateway ID]... [--expires DAYS] SETTINGS DOCUMENT"
    exit 2
}

keys=() gateways=() days=365 arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
        --key | --gateway | --expires) [ $# -gt 1 ] || usage ;;&
        --key) keys+=("$2") ;;
        --gateway) gateways+=("$2") ;;
        --expires) days=$2 ;;
        -*) usage ;;
        *) arguments+=("$1") ;;
    esac
    case "$1" in
        -*) shift 2 ;;
        *) shift ;;
    esac
done
[ ${#arguments[@]} -eq 2 ] || usage
settings=${arguments[0]} document=${arguments[1]}
[ -r "$settings" ] || fail "$settings cannot be read"
[ ${#keys[@]} -gt 0 ] || keys=("${HOME:-/root}/.minisign/minisign.key")
for key in "${keys[@]}"; do
    [ -r "$key" ] || fail "the key $key cannot be read; make one with: minisign -G"
done
case "$days" in
    *[!0-9]* | '' | 0* | ?????*) fail "--expires $days is not a number of days from 1 to 9999" ;;
esac
for tool in jq minisign; do
    command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install jq minisign"
done

before=0
if [ -e "$document" ]; then
    before=$(jq -e '.serial // 0 | floor' "$document") || fail "$document cannot be read: remove it"
fi
now=$(date +%s)
serial=$((now > before ? now : before + 1))
[ "$serial" -lt $((now + 86400)) ] ||
    fail "$document has serial $before, more than a day ahead of this clock: set the clock, or remove the file if it is wrong"
ids=$(jq -cn '$ARGS.positional' --args ${gateways[@]+"${gateways[@]}"})
new=$document.new
jq -n --argjson serial "$serial" --rawfile settings "$settings" --argjson gateways "$ids" \
    --arg signed_at "$(date --utc --date="@$now" +%Y-%m-%dT%H:%M:%SZ)" \
    --arg expires "$(date --utc --date="@$((now + days * 86400))" +%Y-%m-%dT%H:%M:%SZ)" '
    {format: 1, product: "cu-agent settings", $serial, $signed_at, $expires}
    + if $gateways == [] then {} else {$gateways} end
    + {$settings}' >"$new"
: >"$new.minisig"
for key in "${keys[@]}"; do
    minisign -S -H -s "$key" -m "$new" -x "$new.one" -t "cu-agent settings serial $serial" >/dev/null ||
        fail "minisign did not sign with $key"
    cat "$new.one" >>"$new.minisig"
done
rm -f "$new.one"
mv "$new.minisig" "$document.minisig"
mv "$new" "$document"
say "serial $serial for $([ ${#gateways[@]} -gt 0 ] && printf '%s' "${gateways[*]}" || printf 'all gateways')"
