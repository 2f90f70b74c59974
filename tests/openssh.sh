#!/usr/bin/env bash
# The SFTP tests with OpenSSH's server of another Debian than this machine's, in a folder of its own. As root.
#
#   tests/openssh.sh SUITE [FILTER...]
#
#   SUITE    of Debian: trixie
#   FILTER   names of tests; default: those that start such a server
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -ge 1 ] || { echo "usage: tests/openssh.sh SUITE [FILTER...]" >&2; exit 2; }
suite=$1
shift
[ $# -gt 0 ] || set -- sftp_servers:: sftp_login:: sftp_faults:: sftp_told:: sftp_switch::
root=$PWD/target/test-servers/debian-$suite
if [ ! -e "$root" ]; then
    rm -rf "$root.new"
    mkdir -p "$root.new"
    debootstrap --variant=minbase --include=openssh-server "$suite" "$root.new" http://deb.debian.org/debian >&2
    mv "$root.new" "$root"
fi
chroot "$root" /usr/sbin/sshd -V
CU_TEST_OPENSSH_ROOT=$root ${CARGO:-cargo} test --locked --test suite -- "$@"
