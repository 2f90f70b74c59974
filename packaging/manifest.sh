#!/usr/bin/env bash
# Makes the list of what gateways are to install, and signs it: the publisher's side of self-update.
#
#   packaging/manifest.sh [OPTION]... FOLDER VERSION
#   packaging/manifest.sh --renew [--key FILE]... [--expires DAYS] FOLDER
#
#   FOLDER   contains the packages, cu-agent_VERSION_ARCH.deb; manifest.json and its signature
#            manifest.json.minisig are written there. Publish it unchanged on an HTTPS server.
#   VERSION  what gateways are to install. Every other version in FOLDER is listed as a former one, to
#            which a gateway can roll back: leave the packages of all versions still in use there.
#
#   --key FILE           minisign's secret key (created by: minisign -G); asks for its password. May be given
#                        several times, where gateways need the signatures of several (packaging/keys.sh)
#   --rollout PERCENT    share of the gateways that install it; default: 100
#   --not-before TIME    earliest time of installation, such as 2026-12-01T20:00:00+01:00
#   --minimum VERSION    gateways with an older version must be upgraded to this one by hand first
#   --expires DAYS       days after which gateways install nothing by this manifest; default: 90
#   --withdraw VERSION   nobody is to run this version: gateways that have it go to VERSION, newer or older.
#                        It stays withdrawn in every later manifest of FOLDER. May be given several times
#   --urgent             gateways wait for no window, and an hour at most for machines that produce
#   --renew              sign what FOLDER's manifest.json offers once more, with a new serial and expiry:
#                        for a weekly timer, so that gateways can tell a quiet publisher from an old copy
#
# Each manifest has a higher serial than the one before; gateways refuse a lower one than they have seen.
# The serial is the time in seconds since 1970, or one more than that of FOLDER's manifest.json.
#
# The two files are replaced one after the other: a gateway that asks in between finds that the
# signature does not match, and asks again an hour later.
set -euo pipefail

say() { printf 'manifest: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
usage() {
    say "usage: packaging/manifest.sh [--key FILE]... [--rollout PERCENT] [--not-before TIME] [--minimum VERSION] [--expires DAYS] [--withdraw VERSION]... [--urgent] FOLDER VERSION"
    say "       packaging/manifest.sh --renew [--key FILE]... [--expires DAYS] FOLDER"
    exit 2
}

keys=() rollout=100 not_before='' minimum='' days=90
withdrawn=() urgent=false renew=false arguments=()
while [ $# -gt 0 ]; do
    case "$1" in
        --key | --rollout | --not-before | --minimum | --expires | --withdraw)
            [ $# -gt 1 ] || usage
            ;;&
        --key) keys+=("$2") ;;
        --rollout) rollout=$2 ;;
        --not-before) not_before=$2 ;;
        --minimum) minimum=$2 ;;
        --expires) days=$2 ;;
        --withdraw) withdrawn+=("$2") ;;
        --urgent) urgent=true ;;
        --renew) renew=true ;;
        -*) usage ;;
        *) arguments+=("$1") ;;
    esac
    case "$1" in
        --urgent | --renew | [!-]*) shift ;;
        *) shift 2 ;;
    esac
done
if $renew; then
    [ ${#arguments[@]} -eq 1 ] || usage
else
    [ ${#arguments[@]} -eq 2 ] || usage
fi
folder=${arguments[0]} version=${arguments[1]:-}
manifest=$folder/manifest.json
[ ${#keys[@]} -gt 0 ] || keys=("${HOME:-/root}/.minisign/minisign.key")
for key in "${keys[@]}"; do
    [ -r "$key" ] || fail "the key $key cannot be read; make one with: minisign -G"
done
case "$rollout" in
    *[!0-9]* | '' | ????*) fail "--rollout $rollout is not a percentage" ;;
esac
[ "$rollout" -le 100 ] || fail "--rollout $rollout is not a percentage"
case "$days" in
    *[!0-9]* | '' | 0* | ?????*) fail "--expires $days is not a number of days from 1 to 9999" ;;
esac
for tool in jq minisign dpkg-deb sha256sum; do
    command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install jq minisign dpkg"
done

before=0 stays_withdrawn='[]'
if [ -e "$manifest" ]; then
    before=$(jq -e '.serial // 0 | floor' "$manifest") || fail "$manifest cannot be read: remove it"
    stays_withdrawn=$(jq -c '.withdrawn // []' "$manifest")
fi
now=$(date +%s)
serial=$((now > before ? now : before + 1))
[ "$serial" -lt $((now + 86400)) ] ||
    fail "$manifest has serial $before, more than a day ahead of this clock: set the clock, or remove the file if it is wrong"
signed_at=$(date --utc --date="@$now" +%Y-%m-%dT%H:%M:%SZ)
expires=$(date --utc --date="@$((now + days * 86400))" +%Y-%m-%dT%H:%M:%SZ)
new=$manifest.new

# Signs $new, and puts both files where gateways read them.
sign() { # sign VERSION
    local key
    : >"$new.minisig"
    for key in "${keys[@]}"; do
        minisign -S -H -s "$key" -m "$new" -x "$new.one" -t "cu-agent $1 serial $serial" >/dev/null ||
            fail "minisign did not sign with $key"
        cat "$new.one" >>"$new.minisig"
    done
    rm -f "$new.one"
    mv "$new.minisig" "$manifest.minisig"
    mv "$new" "$manifest"
}

if $renew; then
    [ -e "$manifest" ] || fail "$manifest does not exist: publish a version first"
    jq --argjson serial "$serial" --arg signed_at "$signed_at" --arg expires "$expires" \
        '. + {product: "cu-agent", $serial, $signed_at, $expires}' "$manifest" >"$new"
    version=$(jq -r .version "$new")
    sign "$version"
    say "$version again, until $expires"
    exit
fi

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

for one in ${withdrawn[@]+"${withdrawn[@]}"}; do
    dpkg --validate-version "$one" 2>/dev/null || fail "--withdraw $one is not a version"
done
stays_withdrawn=$(jq -cn --argjson before "$stays_withdrawn" '$before + $ARGS.positional | unique' \
    --args ${withdrawn[@]+"${withdrawn[@]}"})
jq -en --argjson withdrawn "$stays_withdrawn" --arg version "$version" \
    '$withdrawn | index($version) == null' >/dev/null ||
    fail "version $version was withdrawn: publish another one"
jq -s --arg version "$version" --arg not_before "$not_before" --arg minimum "$minimum" \
    --argjson rollout "$rollout" --argjson serial "$serial" --arg signed_at "$signed_at" \
    --arg expires "$expires" --argjson withdrawn "$stays_withdrawn" --argjson urgent "$urgent" '
    def packages: map({key: .arch, value: {url, size, sha256}}) | from_entries;
    {format: 1, product: "cu-agent", $serial, $signed_at, $expires, version: $version,
     rollout_percent: $rollout}
    + if $not_before == "" then {} else {not_before: $not_before} end
    + if $minimum == "" then {} else {minimum_version: $minimum} end
    + if $withdrawn == [] then {} else {withdrawn: $withdrawn} end
    + if $urgent then {urgent: true} else {} end
    + {packages: map(select(.version == $version)) | packages,
       previous: (map(select(.version != $version)) | group_by(.version)
           | map({version: .[0].version, packages: packages}))}' "$listed" >"$new"
sign "$version"
say "$version for $(jq -r '.packages | keys | join(", ")' "$manifest"); to go back to: $(jq -r '.previous | map(.version) | join(", ")' "$manifest")"
