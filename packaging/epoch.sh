#!/usr/bin/env bash
# Prints the time that everything in a package has, in seconds since 1970: that of the newest entry of
# packaging/changelog. A copy of the source without git has it too.
set -euo pipefail
cd "$(dirname "$0")/.."

dated=$(sed -n 's/^ -- .*>  //p' packaging/changelog | head -n 1)
[ -n "$dated" ] || { echo "epoch: packaging/changelog has no line ' -- NAME <ADDRESS>  DATE'" >&2; exit 1; }
LC_ALL=C date --date="$dated" +%s
