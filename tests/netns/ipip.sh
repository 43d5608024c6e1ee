#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# forward: ipip to backends that steerd itself decapsulates on: TCP and UDP over 4-in-4, 4-in-6 and
# 6-in-6, with files large enough to meet the MTU.
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../lab/checks.sh"

lab_begin ipip
lab_up blue:l2 violet:ipip
lab_steerd
# Over IPv6 tunnels both families; blue is there to show that the modes mix.
lab_apply "blue: 30, violet: 70"
check_traffic blue violet
check_split 0.7 violet

# Over IPv4 tunnels IPv4.
{
	echo "stacks:"
	lab_stack_routes violet 4
	echo "services:"
	echo "  shop: {vips: [$VIP4], ports: [80], split: {violet: 1}}"
	echo "  chat: {vips: [$VIP4], protocol: udp, ports: [80], split: {violet: 1}}"
} >"$LAB_DIR/4in4.yaml"
steerctl apply -f "$LAB_DIR/4in4.yaml" >/dev/null || lab_fail "refused"
lab_wait 15 "all backends to be up" lab_all_up
lab_load --target "$TARGET4" --clients 200 --rate $((LAB_RATE / 2)) --count 200
expect "failed requests over 4-in-4" "$(lab_failures "$LAB_DIR/load.json")" 0
check_download 4
check_upload 4
check_udp 4
lab_note "4-in-4: intact"
