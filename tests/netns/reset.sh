#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# on_backend_down: reset: the next request on a connection of a backend that is down is answered
# with a RST, and a new connection is served by another backend at once. By l2 and by ipip.
. "$(dirname "$0")/../lab/lib.sh"

readonly CONNECTIONS=40
lab_begin reset
lab_up blue:l2 violet:ipip
lab_steerd

# reset_by STACK FAMILY SPLIT: its first backend is taken down while connections are held.
reset_by() {
	local backend=${1}1 before address

	address=$("lab_ip$2" "$backend")
	lab_apply "$3" "on_backend_down: reset"
	before=$(lab_counter reset)
	lab_in client tests/netns/reset_client.py $CONNECTIONS "$backend" $VIP4 $VIP6 \
		"$LAB_BUILD/steerctl" health "$1/$address" down >"$LAB_DIR/$1.out" 2>&1 ||
		lab_fail "$1: $(cat "$LAB_DIR/$1.out")"
	expect "packets answered with a RST" $(($(lab_counter reset) - before)) \
		"$(awk '/connections reset/ { print $1 }' "$LAB_DIR/$1.out")"
	lab_note "$1: $(xargs <"$LAB_DIR/$1.out")"
	steerctl health "$1/$address" auto >/dev/null || lab_fail "refused"
}

cd "$LAB_ROOT" || exit
reset_by blue 4 "blue: 1, violet: 0"
reset_by violet 6 "blue: 0, violet: 1"
expect "wrong TCP checksums" "$(lab_checksum_errors)" 0
expect "flows moved" "$(lab_counter flow_moves)" 0
