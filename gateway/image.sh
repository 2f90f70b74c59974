#!/usr/bin/env bash
# Builds the disk of the emulated gateway: Debian for arm64 with systemd, as debootstrap makes it, and
# a root shell for the tests on a port of its own. Prints the folder that holds it.
#
#   gateway/image.sh                  root.img, vmlinuz, initrd.img in target/gateway/image-bookworm-HASH
#   SUITE=trixie gateway/image.sh     Debian 13 instead of 12
#   WITH=podman gateway/image.sh      with the packages of packages-podman.txt too
#
# The folder is named after a hash of this script and of the lists: it is built once, in about ten
# minutes, most of which Debian's own scripts spend under qemu-user. Needs root: devices and owners.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${SUITE:-bookworm}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
disk_mib=1500
lists=(gateway/packages.txt)
if [ -n "${WITH:-}" ]; then
    lists+=("gateway/packages-$WITH.txt")
    disk_mib=2500
fi
emulator=qemu-aarch64

say() { printf 'gateway: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

target_dir=$(realpath -m "${CARGO_TARGET_DIR:-target}")/gateway
kind=image-$suite${WITH:+-$WITH}
image=$target_dir/$kind-$(cat gateway/image.sh "${lists[@]}" | sha256sum | cut -c1-12)
mkdir -p "$target_dir"

# Two tests that want it at once: the second waits.
exec 9>"$target_dir/lock"
flock 9
if [ -e "$image/complete" ]; then
    echo "$image"
    exit 0
fi
[ "$(id -u)" -eq 0 ] || fail "building the gateway's disk needs root"

# The kernel hands arm64 programs to qemu-user.
binfmt=/proc/sys/fs/binfmt_misc
[ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt" || fail "binfmt_misc cannot be mounted here"
[ -e "$binfmt/$emulator" ] || cat "/usr/lib/binfmt.d/$emulator.conf" >"$binfmt/register"

begun=$SECONDS
# Of other lists, and of builds that were broken off.
rm -rf "$target_dir/$kind"-???????????? "$target_dir"/build.*
work=$(mktemp -d "$target_dir/build.XXXXXX")
# A build that is broken off may leave them mounted: never through them.
trap 'umount -q "$work"/root/proc "$work"/root/sys || true; rm -rf --one-file-system "$work"' EXIT
root=$work/root
mkdir -p "$root"

include=$(cat "${lists[@]}" | grep -v '^#' | paste -sd,)
say "fetching Debian $suite for arm64"
debootstrap --arch=arm64 --foreign --variant=minbase --include="$include" "$suite" "$root" "$mirror" >"$work/log" 2>&1 ||
    { tail -20 "$work/log" >&2; fail "debootstrap failed"; }

# For the building only; on the gateway dpkg writes as it does everywhere.
mkdir -p "$root/etc/dpkg/dpkg.cfg.d" "$root/etc/initramfs-tools/conf.d"
cat >"$root/etc/dpkg/dpkg.cfg.d/building" <<'BUILDING'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
BUILDING
# What the emulated board needs, instead of every module there is.
echo 'MODULES=list' >"$root/etc/initramfs-tools/conf.d/gateway"
printf 'virtio_pci\nvirtio_blk\next4\n' >"$root/etc/initramfs-tools/modules"

say "setting it up under qemu-user"
chroot "$root" /debootstrap/debootstrap --second-stage >>"$work/log" 2>&1 ||
    { tail -20 "$work/log" "$root/debootstrap/debootstrap.log" >&2; fail "the second stage failed"; }
rm "$root/etc/dpkg/dpkg.cfg.d/building"
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*

cat >"$root/etc/fstab" <<'FSTAB'
/dev/vda / ext4 errors=remount-ro 0 1
FSTAB
echo gateway >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 gateway\n' >"$root/etc/hosts"
printf '[Match]\nName=en*\n[Network]\nDHCP=yes\n' >"$root/etc/systemd/network/en.network"
: >"$root/etc/machine-id"
mkdir -p "$root/var/log/journal"
chroot "$root" systemctl enable systemd-networkd >>"$work/log" 2>&1
chroot "$root" systemctl disable systemd-networkd-wait-online.service >>"$work/log" 2>&1
chroot "$root" systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service >>"$work/log" 2>&1

# A root shell for the tests, on a port that no login is needed for: a line in is a script in base64, a
# line out is what it printed, in base64, and its exit code.
install -d "$root/usr/local/lib"
cat >"$root/usr/local/lib/test-shell" <<'SHELL'
#!/bin/bash
exec 3<>/dev/virtio-ports/test-shell
echo ready >&3
while IFS= read -r line <&3; do
    base64 -d <<<"$line" >/run/test-shell
    out=$(bash /run/test-shell 2>&1 </dev/null 3>&-)
    code=$?
    printf '%s %s\n' "$code" "$(base64 -w0 <<<"$out")" >&3
done
SHELL
chmod 755 "$root/usr/local/lib/test-shell"
cat >"$root/etc/systemd/system/test-shell.service" <<'UNIT'
[Unit]
Description=Root shell of the tests
[Service]
ExecStart=/usr/local/lib/test-shell
Restart=always
UNIT
cat >"$root/etc/udev/rules.d/90-test-shell.rules" <<'RULE'
SUBSYSTEM=="virtio-ports", ATTR{name}=="test-shell", TAG+="systemd", ENV{SYSTEMD_WANTS}="test-shell.service"
RULE

say "making the disk"
mkdir "$work/image"
cp "$root"/boot/vmlinuz-* "$work/image/vmlinuz"
cp "$root"/boot/initrd.img-* "$work/image/initrd.img"
# It tells what file it makes; this script says where the image is, and nothing else.
mke2fs -q -t ext4 -d "$root" "$work/image/root.img" "${disk_mib}M" >&2
touch "$work/image/complete"
mv "$work/image" "$image"
say "built in $((SECONDS - begun)) s: $image"
echo "$image"
