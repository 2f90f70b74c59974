#!/usr/bin/env bash
# Starts the image of docker/Dockerfile for real, with the options of docker/compose.yaml, in podman: as root,
# without a registry, without a network of its own. Needs target/cross/x86_64/cu-agent (make cross) and
# tests/install-test-tools.sh containers.
#
#   tests/containers/run.sh [OPTION...]     more options of `podman run`
set -euo pipefail
cd "$(dirname "$0")/../.."

scratch=$(mktemp -d)
engine=(podman --root "$scratch/store" --runroot "$scratch/run" --storage-driver vfs
    --cgroup-manager cgroupfs --runtime runc)
cleanup() {
    "${engine[@]}" rm --all --force >/dev/null 2>&1 || true
    "${engine[@]}" rmi --all --force >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap cleanup EXIT

say() { printf '== %s\n' "$*"; }
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

say "build the image"
"${engine[@]}" build --quiet --format docker --file docker/Dockerfile --ignorefile docker/Dockerfile.dockerignore \
    --tag cu-agent . >/dev/null

# A plant's folder, which belongs to a user of the plant's.
plant=4321
mkdir -p "$scratch/logs/DEM12 (PVC)" "$scratch/secrets"
cp "tests/golden/edge/stops/DEM12 (PVC)/20250603.LOG" "$scratch/logs/DEM12 (PVC)/"
chown -R $plant:$plant "$scratch/logs"
chmod -R u=rwX,g=rwXs,o=rX "$scratch/logs"
chmod 755 "$scratch"
cat >"$scratch/config.toml" <<'TOML'
[agent]
id = "conteneur-essai"
state_dir = "/var/lib/cu-agent"
[schedule]
poll = "1s"
[[source]]
name = "cu"
kind = "directory"
path = "/logs"
delete = "after-sync"
  [source.folders]
  "DEM12 (PVC)" = { nom = "DEM12" }
[status]
listen = ""
TOML
chmod 644 "$scratch/config.toml"

# The options of compose.yaml; limits of a sandbox that may not raise its own.
options=(--network host --user 10001:10001 --read-only --cap-drop ALL
    --security-opt no-new-privileges --ulimit nofile=1024:1024 --ulimit nproc=1000:1000
    --volume "$scratch/config.toml:/etc/cu-agent/config.toml:ro" --volume "$scratch/logs:/logs" "$@")
agent() { "${engine[@]}" run --rm "${options[@]}" cu-agent "$@"; }

say "a folder of another user: check says that deletion would fail"
if agent check >"$scratch/check" 2>&1; then
    cat "$scratch/check"
    fail "check succeeded although the agent may not delete"
fi
grep -q 'FAIL .*could not be deleted.*belongs to user 4321' "$scratch/check" ||
    fail "check does not say why: $(cat "$scratch/check")"

say "with the folder's group: check succeeds, the day is read"
options+=(--group-add $plant)
agent check >"$scratch/check" 2>&1 || fail "check: $(cat "$scratch/check")"
agent once >"$scratch/once" 2>&1 || fail "once: $(cat "$scratch/once")"
grep -q 'DEM12' "$scratch/once" || fail "once read nothing: $(cat "$scratch/once")"

say "as a service: healthy, and ended within 15 s"
"${engine[@]}" run --detach --name service "${options[@]}" cu-agent >/dev/null
for _ in $(seq 60); do
    if "${engine[@]}" exec service /usr/bin/cu-agent health >"$scratch/health" 2>&1; then
        healthy=yes
        break
    fi
    sleep 0.5
done
[ "${healthy:-no}" = yes ] || fail "not healthy: $(cat "$scratch/health"; "${engine[@]}" logs service)"
"${engine[@]}" stop --time 15 service >/dev/null
code=$("${engine[@]}" inspect --format '{{.State.ExitCode}}' service)
[ "$code" = 0 ] || fail "it ended with $code: $("${engine[@]}" logs service 2>&1)"
say "all well"
