#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# initramfs.sh KERNEL OUT: an initramfs for an unpacked kernel package (see kernels.sh): busybox,
# init.sh, and the modules the guest needs, decompressed, with the order to load them in.
set -euo pipefail

readonly KERNEL=${1:?usage: initramfs.sh KERNEL OUT} OUT=${2:?usage: initramfs.sh KERNEL OUT}

# What the guest needs first, then what the labs make: links, receivers' tunnels, delay, firewall.
readonly MODULES="crc32c_generic crc32c virtio_pci virtio_blk virtio_rng ext4
	veth bridge macvlan dummy tun vxlan ipip sit ip6_tunnel ip_gre ip6_gre fou
	sch_netem sch_ingress cls_bpf act_bpf nf_tables ip_vs"

version=$(basename "$KERNEL"/lib/modules/*)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

decompress() {
	case $1 in
	*.xz) xz -dc "$1" ;;
	*) cat "$1" ;;
	esac
}

# Paths of all modules that MODULES need, each once, what is depended upon first. A module that
# this kernel has built in, or does not have, is left out. -C: not the host's module options.
module_paths() {
	local module

	for module in $MODULES; do
		modprobe -C /dev/null -d "$KERNEL" -S "$version" --show-depends "$module" \
			2>/dev/null || true
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

mkdir -p "$tree"/{bin,modules,dev,proc,sys,root}
cp -L /bin/busybox "$tree/bin/busybox"
install -m 755 "$(dirname "$0")/init.sh" "$tree/init"
while read -r path; do
	name=$(basename "$path" | sed 's/\.ko.*/.ko/')
	decompress "$path" >"$tree/modules/$name"
	echo "$name" >>"$tree/modules/order"
done < <(module_paths)
[ -s "$tree/modules/order" ] || { echo "vmtest: $KERNEL has no modules" >&2; exit 1; }
(cd "$tree" && find . | cpio -o -H newc -R 0:0 --quiet) >"$OUT"
