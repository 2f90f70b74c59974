#!/usr/bin/env bash
# The agent's main job without any server: LOG files from a folder, sessions into SQLite. Everything is
# written under target/demo.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
demo=target/demo
binaries=${CARGO_TARGET_DIR:-target}/debug

say() { printf '\n== %s\n' "$*"; }

# Not the release profile: it takes several times as long, and `make test` could not use the result.
say "Building (the first time takes a minute or two)"
"$cargo" build --locked --bin cu-agent --example generate

rm -rf "$demo"
mkdir -p "$demo"

say "Three days of three machines, as the controllers write them, in $demo/logs"
"$binaries/examples/generate" --out "$demo/logs" --days 3 --from 2025-05-26 --seed 1
(cd "$demo/logs" && find . -name '*.LOG' | sort | while read -r file; do
    printf '%8d bytes  %s\n' "$(wc -c <"$file")" "${file#./}"
done)

cat >"$demo/config.toml" <<TOML
[agent]
id = "demo"
state_dir = "state"

[[source]]
name = "demo"
kind = "directory"
path = "logs"
  [source.folders]
  "DEM12 (PVC)"    = { nom = "DEM12",  type_cu = "DEM12" }
  "DEMALU (ALU)"   = { nom = "DEMALU", type_cu = "DEMALU" }
  "SU12 (HYBRIDE)" = { nom = "SU12",   type_cu = "SU12" }
TOML

say "cu-agent --config $demo/config.toml once"
"$binaries/cu-agent" --config "$demo/config.toml" once

say "cu-agent --config $demo/config.toml sessions"
"$binaries/cu-agent" --config "$demo/config.toml" sessions

say "cu-agent --config $demo/config.toml report --from 2025-05-26 -o $demo/report.html"
"$binaries/cu-agent" --config "$demo/config.toml" report --from 2025-05-26 -o "$demo/report.html"

cat <<TEXT

$demo/report.html shows the three days: open it in a browser, or print it. The sessions are in
$demo/state/buffer.db. To do the same with real machines, copy config.toml.example and set
  in [[source]]: kind = "ftp", host, user, password_file, and your folders
  in [central]:  host, database, user, password_file
Then run: cu-agent --config FILE check. "make demo-central" shows both with real servers.
TEXT
