#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# ipip where the backends' links are no wider than the clients': an MSS that the backends lower
# makes room; without it, what does not fit is dropped and counted.
LAB_TUNNEL_MTU=1500
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../lab/checks.sh"

lab_begin ipip-mtu
lab_up violet:ipip
lab_steerd
lab_apply "violet: 1"
head -c 300K /dev/urandom >"$LAB_DIR/files/big"

set_mss() { # BYTES over IPv4, BYTES over IPv6, or nothing: the link's own
	local name i

	for name in violet1 violet2; do
		i=$(lab_position $name)
		ip -n "$LAB-$name" route change default via "10.1.$i.1" mtu 1500 ${1:+advmss $1}
		ip -n "$LAB-$name" route change default via "2001:db8:1:$i::1" mtu 1500 ${2:+advmss $2}
	done
}

set_mss 1400 1380
check_download 4
check_download 6
check_upload 4
check_upload 6
expect "packets dropped as too big with a lower MSS" "$(lab_counter too_big)" 0
lab_note "with a lower MSS uploads pass"

set_mss
check_download 4
check_download 6
expect "packets dropped as too big, downloads only" "$(lab_counter too_big)" 0
lab_in client curl -sS -m 2 -T "$LAB_DIR/files/big" "http://$VIP4/put/up" 2>/dev/null &&
	lab_fail "an upload fits where it cannot"
[ "$(lab_counter too_big)" -gt 0 ] || lab_fail "packets that do not fit are not counted as too_big"
lab_note "too big for the link: dropped and counted"
