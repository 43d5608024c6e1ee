#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# kernels.sh SERIES: unpacks Debian's newest cloud kernel of a series (5.10, 6.1, 6.12) into a
# cache, if it is not there yet, and prints its folder: boot/vmlinuz-V and lib/modules/V.
# UPDATE=1 looks for a newer one. The host's own package lists and suites stay as they are.
set -euo pipefail

readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
readonly CACHE=${XDG_CACHE_HOME:-${HOME:-/var/cache}/.cache}/steerd-vmtest
readonly SERIES=${1:?usage: kernels.sh SERIES}

die() {
	echo "vmtest: $*" >&2
	exit 1
}

# Oldest packages first; a suite that the mirror no longer has is passed over.
case $SERIES in
5.10) suites="bullseye bullseye-security" ;;
6.1) suites="bookworm bookworm-security" ;;
6.12) suites="bookworm-backports trixie" ;;
*) die "no Debian suite is known for kernel '$SERIES' (there are 5.10, 6.1, 6.12)" ;;
esac
readonly suites

newest_cached() {
	find "$CACHE/$SERIES" -mindepth 1 -maxdepth 1 -type d -name 'linux-image-*' 2>/dev/null |
		sort -V | tail -n 1
}

# host_mirror SUFFIX: where this host fetches its own suite (SUFFIX "") or "-security" from.
# Asked of --print-uris, which needs no package lists; a repository of somebody else's may serve
# the same suite name, so the one that looks like Debian's goes first.
host_mirror() {
	local codename uris

	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	uris=$(apt-get --print-uris update 2>/dev/null |
		sed -n "s|^'\(.*\)/dists/$codename$1/InRelease'.*|\1|p")
	{ grep -E '/debian(-security)?$' <<<"$uris" || echo "$uris"; } | head -n 1
}

# private_apt COMMAND ...: apt with lists, sources and cache of our own. A suite that is closed
# stays signed, but its Release file is past its date.
private_apt() {
	local command=$1

	shift
	"$command" -o Dir::Etc::sourcelist="$APT/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::State::Lists="$APT/lists" -o Dir::Cache="$APT/cache" \
		-o APT::Default-Release= -o APT::Sandbox::User=root -o Acquire::Languages=none \
		-o Acquire::Check-Valid-Until=false -o Acquire::Retries=3 "$@"
}

write_sources() {
	local suite mirror

	for suite in $suites; do
		mirror=$(host_mirror "$([[ $suite != *-security ]] || echo -security)")
		[ -z "$mirror" ] || echo "deb [signed-by=$KEYRING] $mirror $suite main"
	done
}

newest_package() {
	private_apt apt-cache search --names-only \
		"^linux-image-${SERIES/./\\.}\\.[0-9][^ ]*-cloud-amd64\$" |
		cut -d ' ' -f 1 | sort -V | tail -n 1
}

# Unpacked beside its final place and moved there, so that an interrupted run leaves no half.
unpack() {
	local package=$1 part=$CACHE/$SERIES/unpacking

	echo "vmtest: downloading $package" >&2
	rm -rf "$part" "$APT"/*.deb
	mkdir -p "$part"
	(cd "$APT" && private_apt apt-get -qq download "$package" >&2) ||
		die "cannot download $package"
	dpkg -x "$APT/$package"_*.deb "$part"
	rm -f "$APT"/*.deb
	[ -d "$part/lib/modules" ] || ln -s usr/lib "$part/lib"
	depmod -b "$part" "$(basename "$part"/lib/modules/*)"
	mv "$part" "$CACHE/$SERIES/$package"
}

fetch_newest() {
	local package

	[ -r "$KEYRING" ] || die "$KEYRING is missing (package debian-archive-keyring)"
	mkdir -p "$APT/lists/partial" "$APT/cache/archives/partial"
	write_sources >"$APT/sources.list"
	[ -s "$APT/sources.list" ] || die "this host's apt configuration names no Debian mirror"
	echo "vmtest: looking for Linux $SERIES in $suites" >&2
	private_apt apt-get -q update >"$APT/update.log" 2>&1 || true
	package=$(newest_package)
	if [ -z "$package" ]; then
		grep -E '^(E|W|Err):?' "$APT/update.log" >&2 || true
		die "the mirror has no linux-image-$SERIES.*-cloud-amd64 in: $suites"
	fi
	[ -d "$CACHE/$SERIES/$package" ] || unpack "$package"
}

APT=$CACHE/$SERIES/apt
mkdir -p "$APT"
exec {lock}>"$CACHE/$SERIES/lock"
flock "$lock"
if [ -n "${UPDATE:-}" ] || [ -z "$(newest_cached)" ]; then
	fetch_newest
fi
newest_cached
