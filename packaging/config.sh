#!/usr/bin/env bash
# Creates the package's /etc/cu-agent/config.toml: copies config.toml.example from standard input to
# standard output, with empty values for what only the plant knows. The agent refuses the empty values
# by name and line, so a fresh installation waits and says what to fill in.
#
# Exits with code 1 if an expected line is missing: the example has changed, and this script must too.
set -euo pipefail

exec awk '
function put(at, from, to,    seen) {
    if ($0 != from) return
    $0 = to
    done[at] = 1
}
BEGIN { wanted = 8 }
NR == 1, /^$/ {
    # The introduction of the example is for somebody who copies the file; the package has installed it.
    if (!headed) {
        print "# The configuration of cu-agent. Fill in what is empty (\"\"), the folders of the machines, and the"
        print "# passwords in the files named here; `cu-agent check` reports what is still wrong. Then"
        print "# `systemctl restart cu-agent`. A line that begins with \"# \" and a key shows an option with its"
        print "# default or an example. Updates of the package keep this file."
        headed = 1
    }
    if (/^#$/) past_head = 1
    if (!past_head && !/^$/) next
}
/^\[/ { section = $0 }
{
    if (section == "[agent]") put(1, "id = \"ligne-1\"", "id = \"\"")
    if (section == "[[source]]") {
        put(2, "host = \"192.168.10.20\"", "host = \"\"")
        put(3, "user = \"cu\"", "user = \"\"")
        put(4, "# password_file = \"/etc/cu-agent/ftp.password\"", "password_file = \"/etc/cu-agent/ftp.password\"")
        put(5, "delete = \"after-sync\"", "delete = \"never\"")
    }
    if (section == "[central]") {
        put(6, "host = \"central.usine.lan\"", "host = \"\"")
        put(7, "# password_file = \"/etc/cu-agent/central.password\"", "password_file = \"/etc/cu-agent/central.password\"")
    }
    if (section == "[[source]]" && /^  "[^"]*" *= \{ nom = /) {
        sub(/^  /, "  # ")
        done[8] = 1
    }
    print
}
END {
    for (at = 1; at <= wanted; at++) if (!(at in done)) {
        print "config.sh: config.toml.example no longer holds line " at " of what is left empty" > "/dev/stderr"
        exit 1
    }
}'
