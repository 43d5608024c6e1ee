#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# deps.sh check|install: the Debian packages of debian-packages.txt.
set -eu
cd "$(dirname "$0")"
mapfile -t packages < debian-packages.txt

missing() {
	for package in "${packages[@]}"; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null |
			grep -qx installed || echo "$package"
	done
}

mapfile -t absent < <(missing)
case ${1:-check} in
check)
	[ ${#absent[@]} -eq 0 ] || { echo "missing packages: ${absent[*]}" >&2; exit 1; }
	;;
install)
	[ ${#absent[@]} -gt 0 ] || { echo "all packages are there"; exit 0; }
	[ "$(id -u)" -eq 0 ] || { echo "make deps installs packages: run it as root" >&2; exit 1; }
	apt-get update
	# Nothing that a package starts by itself is wanted: the tests start their own.
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${absent[@]}"
	;;
*)
	echo "usage: deps.sh check|install" >&2
	exit 2
	;;
esac
