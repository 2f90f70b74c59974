#!/usr/bin/env bash
# Installs what the tests and the demonstrations need, by the names of Debian's packages, and only
# what is missing. Run it as root, or as a user with sudo.
#
#   tests/install-test-tools.sh            everything the tests need
#   tests/install-test-tools.sh compiler   a C compiler (bundled SQLite, ring)
#   tests/install-test-tools.sh demo       vsftpd and PostgreSQL
#   tests/install-test-tools.sh guard      valgrind, which counts instructions
#   tests/install-test-tools.sh far-line   rclone, with which a benchmark compares
#   tests/install-test-tools.sh package    what the tests of the Debian package need besides
#   tests/install-test-tools.sh page       Chromium, and axe-core from npm, for the gateway's page; from npm too,
#                                          Grafana's types and their compiler, for the dashboards
#   tests/install-test-tools.sh pictures   the same, and what makes the pictures of the README small
#   tests/install-test-tools.sh containers a container engine and what the image is built of
#   tests/install-test-tools.sh grafana    promtool, which judges and tries the alert rules
#   tests/install-test-tools.sh postgres   npm, with which tests/postgres/run.sh gets servers of each major
#   tests/install-test-tools.sh gateway    what the emulated gateway needs besides
#   tests/install-test-tools.sh cross      what cross/ needs to build and to try a gateway's binary
#   tests/install-test-tools.sh deb        what packaging/ needs to wrap a binary
#   tests/install-test-tools.sh reproducible  what the comparison of two builds needs besides
#   tests/install-test-tools.sh release    what makes and signs the folder of a release besides
#
# What this script installs never becomes a service of the machine: the tests start servers of
# their own, on free ports, in temporary folders.
set -euo pipefail
cd "$(dirname "$0")/.."

# ProFTPD's and Pure-FTPd's packages conflict with vsftpd's, and an SSH server that is installed is one of the
# machine's: they are unpacked here, not installed.
unpacked=target/test-servers

say() { printf 'install-test-tools: %s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }
has_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }

missing=()
want() { # want PACKAGE COMMAND...: PACKAGE is missing unless all commands are there
    local package=$1 command
    shift
    for command in "$@"; do
        if ! has "$command"; then
            missing+=("$package")
            return
        fi
    done
}

want_compiler() { want build-essential cc make; }
want_guard() {
    want_compiler
    want valgrind valgrind
}
want_demo() {
    want vsftpd vsftpd
    has_postgresql || missing+=(postgresql)
    want util-linux setpriv
    want passwd useradd chpasswd
    want jq jq
}
# Debian's promtool; its server is never started.
want_grafana() { want prometheus promtool; }
want_tests() {
    want_compiler
    want_demo
    want_grafana
    want pgbouncer pgbouncer
    want openssl openssl
    want openssh-client ssh-keygen sftp
    want curl curl
    # A wrong clock for one process; a network of its own that loses and delays packets.
    want faketime faketime
    want iproute2 ip tc
    want nftables nft
    want systemd systemd-analyze
    # A PostgreSQL that speaks French.
    [ -e /usr/share/i18n/locales/fr_FR ] || missing+=(locales)
    # The Prometheus project's parser of what /metrics says.
    want python3 /usr/bin/python3
    /usr/bin/python3 -c 'import prometheus_client' 2>/dev/null || missing+=(python3-prometheus-client)
    # Spreadsheets, as another program than ours reads them.
    /usr/bin/python3 -c 'import openpyxl' 2>/dev/null || missing+=(python3-openpyxl)
}
want_package() {
    want_tests
    want_cross
    want_deb
    # A signed repository.
    want gnupg gpg
    want debootstrap debootstrap
    want systemd-container systemd-nspawn
    want qemu-user-static qemu-aarch64-static
    want lintian lintian
    # The schema of bills of materials.
    /usr/bin/python3 -c 'import jsonschema' 2>/dev/null || missing+=(python3-jsonschema)
    # A publisher of field updates.
    want nginx-light nginx
    want minisign minisign
}
want_gateway() {
    want_tests
    want debootstrap debootstrap
    want qemu-user-static qemu-aarch64-static
    want qemu-system-arm qemu-system-aarch64
    want e2fsprogs mke2fs e2fsck debugfs
    want nginx-light nginx
    want minisign minisign
}
want_containers() {
    want_cross
    want podman podman
    want buildah buildah
    want runc runc
}
want_page() {
    want_tests
    want chromium chromium
    want chromium-driver chromedriver
    want poppler-utils pdftotext
    want nodejs node
    want npm npm
}
want_pictures() {
    want_page
    want pngquant pngquant
}
want_postgres() {
    want_tests
    want nodejs node
    want npm npm
}
want_cross() {
    want_compiler
    want python3 python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    want file file
    want binutils readelf
    want jq jq
    want qemu-user-static qemu-aarch64-static qemu-arm-static
    # A wrong clock for an emulated program.
    want qemu-user qemu-arm
    want faketime faketime
    # Also where rustup's standard library is there: that of 32-bit ARM is compiled here.
    want rustc-web /usr/bin/rustc
    want cargo-web /usr/bin/cargo
    [ -d /usr/lib/rustlib/src/rust/library ] || missing+=(rust-web-src)
}
want_far_line() {
    want_tests
    want rclone rclone
}
want_reproducible() { want faketime faketime; }
want_release() {
    want gnupg gpg
    want jq jq
    want minisign minisign
}
want_deb() {
    want_compiler
    want python3 python3
    want dpkg-dev dpkg-shlibdeps
    want xz-utils xz
}
case "${1:-tests}" in
    compiler) want_compiler ;;
    demo) want_demo ;;
    guard) want_guard ;;
    far-line) want_far_line ;;
    cross) want_cross ;;
    deb) want_deb ;;
    reproducible) want_reproducible ;;
    release) want_release ;;
    package) want_package ;;
    page) want_page ;;
    pictures) want_pictures ;;
    containers) want_containers ;;
    gateway) want_gateway ;;
    grafana) want_grafana ;;
    postgres) want_postgres ;;
    tests) want_tests ;;
    *) say "unknown set '$1'; there are: compiler, demo, guard, package, page, pictures, containers, grafana, postgres, gateway, cross, deb, reproducible, release, tests"; exit 2 ;;
esac

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if has sudo; then
        as_root=(sudo)
    fi
fi
need_root() { # need_root WHAT...: can packages be installed at all?
    if ! has apt-get; then
        say "this machine has no apt-get; install by hand what answers to: $*"
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ] && [ ${#as_root[@]} -eq 0 ]; then
        say "not root and no sudo here; ask an administrator for: apt-get install -y $*"
        exit 1
    fi
}

# Keeps apt from starting the services it installs. Removed again whatever happens.
policy=/usr/sbin/policy-rc.d
placed_policy=no
hold_services() {
    [ -e "$policy" ] && return
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
    placed_policy=yes
}
release_services() {
    [ "$placed_policy" = no ] || "${as_root[@]}" rm -f "$policy"
    placed_policy=no
}
trap release_services EXIT

# An image without package lists (a fresh container, say) needs them once. Not having a candidate
# for the package is the sign; a list that is only old does no harm.
lists_are_fresh=no
refresh_lists() {
    [ "$lists_are_fresh" = yes ] && return
    say "fetching the package lists"
    "${as_root[@]}" apt-get update -qq
    lists_are_fresh=yes
}
known() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [0-9]'; }

if [ ${#missing[@]} -gt 0 ]; then
    need_root "${missing[@]}"
    say "installing: ${missing[*]}"
    for package in "${missing[@]}"; do
        known "$package" || refresh_lists
    done
    hold_services
    install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get install -y -qq --no-install-recommends "${missing[@]}")
    if ! "${install[@]}"; then
        refresh_lists
        "${install[@]}"
    fi
    release_services
    if [ -d /run/systemd/system ]; then
        for service in vsftpd postgresql pgbouncer nginx prometheus; do
            case " ${missing[*]} " in
                *" $service "*) "${as_root[@]}" systemctl disable --now "$service" >/dev/null 2>&1 || true ;;
            esac
        done
    fi
fi

# From npm: what tests/page/package-lock.json pins by its hash, and no script of any package is run.
if [ "${1:-tests}" = page ] || [ "${1:-tests}" = pictures ]; then
    tools=target/page-tools
    if ! cmp -s tests/page/package-lock.json "$tools/installed.json"; then
        mkdir -p "$tools"
        cp tests/page/package.json tests/page/package-lock.json "$tools/"
        npm ci --prefix "$tools" --ignore-scripts --no-audit --no-fund --silent
        cp tests/page/package-lock.json "$tools/installed.json"
    fi
fi

[ "${1:-tests}" = tests ] || exit 0

# unpack PACKAGE BINARY: PACKAGE's files under target/test-servers/PACKAGE, and those of the
# libraries that BINARY lacks here.
unpack() {
    local package=$1 binary=$2 into=$unpacked/$1
    [ -e "$into.complete" ] && return
    has apt-get || { say "no apt-get here: unpack $package into $into by hand"; exit 1; }
    known "$package" || refresh_lists
    say "unpacking $package into $into"
    rm -rf "$into" "$into.complete"
    mkdir -p "$into"
    local downloads
    downloads=$(mktemp -d)
    if ! fetch_into "$downloads" "$package"; then
        refresh_lists
        fetch_into "$downloads" "$package"
    fi
    # Two levels of libraries: the binary's own, and theirs.
    local lib deeper
    for lib in $(libraries_of "$package"); do
        fetch_into "$downloads" "$lib" || true
        for deeper in $(libraries_of "$lib"); do
            fetch_into "$downloads" "$deeper" || true
        done
    done
    local deb
    for deb in "$downloads"/*.deb; do
        dpkg -x "$deb" "$into"
    done
    rm -rf "$downloads"
    if [ ! -x "$into$binary" ]; then
        say "$package holds no $binary"
        exit 1
    fi
    local lacking
    lacking=$(LD_LIBRARY_PATH=$into/usr/lib/$(uname -m)-linux-gnu ldd "$into$binary" | grep 'not found' || true)
    if [ -n "$lacking" ]; then
        say "$package lacks libraries here:" $lacking
        exit 1
    fi
    touch "$into.complete"
}
fetch_into() { (cd "$1" && apt-get download -qq "$2" >/dev/null 2>&1); }
# The direct dependencies that are libraries and not installed on this machine.
libraries_of() {
    apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances "$1" 2>/dev/null |
        sed -n 's/^ *|\?Depends: \(lib[^<> ]*\)$/\1/p' | sort -u |
        while read -r lib; do
            dpkg-query -W -f='${Status}' "$lib" 2>/dev/null | grep -q 'ok installed' || echo "$lib"
        done
}

unpack proftpd-core /usr/sbin/proftpd
unpack pure-ftpd /usr/sbin/pure-ftpd
has sshd || unpack openssh-server /usr/sbin/sshd
has sshd || unpack openssh-sftp-server /usr/lib/openssh/sftp-server
unpack dropbear-bin /usr/sbin/dropbear
