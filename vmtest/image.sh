#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# image.sh BUILD OUT: an ext4 image with what was built, the tests, and the tools they use, each
# with the libraries it is linked with. Made by mke2fs -d: nothing is mounted, no root is needed.
set -euo pipefail

readonly BUILD=${1:?usage: image.sh BUILD OUT} OUT=${2:?usage: image.sh BUILD OUT}
readonly SPACE_MB=64 # left free for what the tests write

# All programs of these packages go in, so that a test script finds what it finds on the host.
readonly PACKAGES="bash coreutils grep sed mawk findutils procps util-linux mount iproute2 ethtool
	bpftool curl openssl"
readonly PROGRAMS="/usr/sbin/nginx /usr/bin/python3" # for the namespace tests
readonly BUILT="steerd steerctl vmtest/verify"

cd "$(dirname "$0")/.."
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

package_programs() {
	dpkg -L $PACKAGES 2>/dev/null | grep -E '^(/usr)?/s?bin/[^/]+$' || true
	printf '%s\n' $PROGRAMS
}

built_programs() {
	for program in $BUILT; do
		[ ! -x "$BUILD/$program" ] || echo "$program"
	done
	(cd "$BUILD" && find tests/bpf tests/lab -type f \( -perm /111 -o -name '*.bpf.o' \) \
		2>/dev/null) || true
}

# copy_to FILE PLACE: follows symbolic links; PLACE may lie under one (lib, bin) in the tree.
copy_to() {
	mkdir -p "$(dirname "$tree$2")"
	cp -L "$1" "$tree$2"
}

# The libraries of every program and plug-in copied so far, where the loader looks for them.
copy_libraries() {
	{ find "$tree" -type f \( -perm /111 -o -name '*.so' \) -exec ldd {} + 2>/dev/null || true; } |
		grep -oE '/[^ ]+\.so[^ ]*' | grep -v ':$' | sort -u |
		while read -r library; do
			copy_to "$library" "$library"
		done
}

# The interpreter's own modules; what was installed beside them is not wanted.
copy_python() {
	local library

	[ -x "$tree/usr/bin/python3" ] || return 0
	library=$(/usr/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
	mkdir -p "$tree$library"
	(cd "$library" && tar -c --exclude=__pycache__ --exclude=test --exclude=config-* \
		--exclude=ensurepip --exclude=idlelib --exclude=lib2to3 --exclude=pydoc_data .) |
		tar -x -C "$tree$library"
}

copy_repository() {
	local at=$tree/steerd

	mkdir -p "$at/build/bpf"
	cp -a vmtest tests tools "$at"
	find "$at/tests" \( -name '*.[cho]' -o -name __pycache__ \) -prune -exec rm -rf {} +
	built_programs | while read -r program; do
		copy_to "$BUILD/$program" "/steerd/build/$program"
	done
	cp "$BUILD"/bpf/*.bpf.o "$at/build/bpf" 2>/dev/null ||
		echo "vmtest: there are no BPF objects in $BUILD/bpf" >&2
}

mkdir -p "$tree"/usr/{bin,sbin,lib,lib64} "$tree"/{dev,proc,sys,run,tmp,root,var/log,etc,logs}
for link in bin sbin lib lib64; do
	ln -s "usr/$link" "$tree/$link"
done
ln -s /run "$tree/var/run"
mkdir -p "$tree/var/lib/nginx" "$tree/var/log/nginx" "$tree/var/lib"
echo "root:x:0:0:root:/root:/bin/bash" >"$tree/etc/passwd"
echo "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin" >>"$tree/etc/passwd"
echo "www-data:x:33:33:www-data:/:/usr/sbin/nologin" >>"$tree/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\nwww-data:x:33:\n' >"$tree/etc/group"
printf '127.0.0.1 localhost\n::1 localhost\n' >"$tree/etc/hosts"

package_programs | while read -r program; do
	[ ! -f "$program" ] || copy_to "$program" "$program"
done
copy_to "$(type -P busybox)" /usr/bin/busybox
ln -sf bash "$tree/usr/bin/sh"
ln -sf mawk "$tree/usr/bin/awk"
copy_repository
copy_python
copy_libraries

size_mb=$(($(du -sm "$tree" | cut -f 1) * 11 / 10 + SPACE_MB))
rm -f "$OUT"
truncate -s "${size_mb}M" "$OUT"
mke2fs -q -t ext4 -O ^has_journal -m 0 -E root_owner=0:0 -d "$tree" "$OUT"
