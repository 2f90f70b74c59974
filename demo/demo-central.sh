#!/usr/bin/env bash
# The agent's main job between a real vsftpd and a real PostgreSQL, both started here on free ports
# in a temporary folder. PostgreSQL is stopped halfway, the backlog grows, PostgreSQL is started again,
# and in the end central equals the buffer, row by row. Everything started here ends with this script,
# even if it is killed. Works as root and as an ordinary user.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
binaries=${CARGO_TARGET_DIR:-target}/debug

say() { printf '\n== %s\n' "$*"; }

# Not the release profile: it takes several times as long, and `make test` could not use the result.
say "Building (the first time takes a minute or two)"
"$cargo" build --locked --bin cu-agent --example generate

work=$(mktemp -d /tmp/cu-agent-demo.XXXXXX)
chmod 755 "$work"
# PostgreSQL refuses to run as root, so this script runs it as the user that its package created.
as_postgres=()
if [ "$(id -u)" -eq 0 ]; then
    as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups --)
fi
postgres_bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
pg_ctl() { "${as_postgres[@]}" "$postgres_bin/pg_ctl" -D "$work/pg/data" -s -w "$@" 9>&-; }

# Ends what was started here. It waits until the last writer of its pipe is gone, which is the end of
# this script, even by SIGKILL.
guard() {
    trap '' INT TERM HUP
    cat >/dev/null
    local pid
    for pid in $(cat "$work"/*.pid 2>/dev/null); do
        kill "$pid" 2>/dev/null || true
    done
    if [ -s "$work/pg/data/postmaster.pid" ]; then
        pg_ctl -m immediate stop >/dev/null 2>&1 || true
    fi
    rm -rf "$work"
}
exec 9> >(exec 2>/dev/null; guard)
guard_pid=$!

finish() {
    status=$?
    trap - EXIT
    if [ $status -ne 0 ] && [ -s "$work/agent.log" ]; then
        say "The agent's log"
        cat "$work/agent.log"
    fi
    exec 9>&-
    wait "$guard_pid" 2>/dev/null || true
    exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# in_background NAME LOG COMMAND...
in_background() {
    local name=$1 log=$2
    shift 2
    "$@" </dev/null >"$work/$log" 2>&1 9>&- &
    echo $! >"$work/$name.pid"
}

free_port() { # a port on loopback that nothing listens on
    local port
    while :; do
        port=$((20000 + RANDOM % 20000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}
until_true() { # until_true WHAT COMMAND...: polls for up to a minute
    local what=$1 tries=0
    shift
    until "$@"; do
        tries=$((tries + 1))
        if [ $tries -gt 600 ]; then
            say "Gave up after a minute: $what" >&2
            return 1
        fi
        read -r -t 0.1 <> <(:) || true
    done
}

say "Three days of three machines; the first day is already on the FTP server"
"$binaries/examples/generate" --out "$work/machines" --days 3 --from 2025-05-26 --seed 1
mkdir "$work/ftp"
for folder in "$work/machines"/*/; do
    name=$(basename "$folder")
    mkdir "$work/ftp/$name"
    cp "$folder/20250526.LOG" "$work/ftp/$name/"
done
chmod -R a+rX "$work/ftp"

say "Starting vsftpd"
ftp_port=$(free_port)
cat >"$work/vsftpd.conf" <<CONF
listen=YES
listen_address=127.0.0.1
listen_port=$ftp_port
background=NO
anonymous_enable=YES
local_enable=NO
anon_root=$work/ftp
ftp_username=$([ "$(id -u)" -eq 0 ] && echo daemon || id -un)
run_as_launching_user=$([ "$(id -u)" -eq 0 ] && echo NO || echo YES)
secure_chroot_dir=$work/empty
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
xferlog_enable=NO
CONF
mkdir "$work/empty"
in_background vsftpd vsftpd.log /usr/sbin/vsftpd "$work/vsftpd.conf"
ftp_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$ftp_port") 2>/dev/null; }
until_true "vsftpd answers" ftp_answers

say "Starting PostgreSQL"
pg_port=$(free_port)
mkdir "$work/pg"
[ ${#as_postgres[@]} -eq 0 ] || chown postgres "$work/pg"
"${as_postgres[@]}" "$postgres_bin/initdb" -D "$work/pg/data" -U postgres --auth-local trust --auth-host scram-sha-256 --no-sync -E UTF8 >/dev/null
pg_start() {
    pg_ctl -l "$work/pg/log" -o "-p $pg_port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$work/pg" start
}
pg_start
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$work/pg" -p "$pg_port" -U postgres "$@"; }
sql -d postgres -c "CREATE ROLE cu_agent LOGIN PASSWORD 'demo'" -c "CREATE DATABASE production OWNER cu_agent"

(umask 077 && echo demo >"$work/password")
cat >"$work/config.toml" <<TOML
[agent]
id = "demo"
state_dir = "$work/state"

[schedule]
poll = "1s"

[[source]]
name = "cu"
kind = "ftp"
host = "127.0.0.1"
port = $ftp_port
user = "anonymous"
password_file = "$work/password"
  [source.folders]
  "DEM12 (PVC)"    = { nom = "DEM12",  type_cu = "DEM12" }
  "DEMALU (ALU)"   = { nom = "DEMALU", type_cu = "DEMALU" }
  "SU12 (HYBRIDE)" = { nom = "SU12",   type_cu = "SU12" }

[central]
host = "127.0.0.1"
port = $pg_port
database = "production"
user = "cu_agent"
password_file = "$work/password"
tls = "disable"

[status]
listen = ""
TOML
cu_agent() { "$binaries/cu-agent" --config "$work/config.toml" "$@"; }
figure() { cu_agent status --json | jq ".$1"; }
central_count() { sql -d production -c "SELECT count(*) FROM session_production" 2>/dev/null || echo 0; }
central_holds() { [ "$(central_count)" = "$1" ]; }
buffer_holds() { [ "$(figure sessions)" = "$1" ]; }
nothing_waits() { [ "$(figure pending_sessions)" = 0 ]; }

say "cu-agent run: the first day is delivered from FTP to PostgreSQL"
in_background agent agent.log "$binaries/cu-agent" --config "$work/config.toml" run
until_true "central holds the first day" central_holds 3
sql -d production -A -F '  ' -c "SELECT nom, date_production, total_pieces || ' pieces' FROM session_production s JOIN centre_usinage c ON c.id = s.centre_usinage_id ORDER BY 1"

say "PostgreSQL is stopped, and the machines write two more days"
pg_ctl -m immediate stop
for folder in "$work/machines"/*/; do
    cp "$folder"/2025052[78].LOG "$work/ftp/$(basename "$folder")/"
done
chmod -R a+rX "$work/ftp"
until_true "the buffer holds all three days" buffer_holds 9
waiting=$(figure pending_sessions)
say "The backlog: $waiting sessions are waiting (cu-agent status)"
cu_agent status
[ "$waiting" -eq 6 ] || { say "6 sessions should be waiting, not $waiting"; exit 1; }

say "PostgreSQL is started again, and the backlog is delivered"
pg_start
until_true "nothing is waiting any more" nothing_waits

say "Central is compared with the buffer, row by row"
sql -d production -f tests/support/central_sessions.sql |
    jq -S '[.[].session | .machine = .dossier | del(.dossier)] | sort_by(.machine, .date_production)' >"$work/central.json"
# Of the buffer's the keys that central's tables have; planned time stands in another one.
cu_agent sessions --json |
    jq -S --slurpfile central "$work/central.json" \
        '($central[0][0] | keys) as $keys | [.[] | with_entries(select(.key | IN($keys[])))] | sort_by(.machine, .date_production)' >"$work/buffer.json"
if ! cmp -s "$work/central.json" "$work/buffer.json"; then
    diff "$work/central.json" "$work/buffer.json" | head -n 20
    say "Central differs from the buffer"
    exit 1
fi
jq -r '"equal: \(length) sessions, \(map(.pieces | length) | add) pieces, \(map(.attentes | length) | add) waits, \(map(.arrets | length) | add) stops, \(map(.jobs | length) | add) jobs"' "$work/central.json"
cu_agent sessions

say "What the agent logged about the outage"
grep -i 'central' "$work/agent.log" || true
