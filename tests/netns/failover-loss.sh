#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# One in four packets from and to a backend is lost: it answers most of what it is asked, and is
# taken out all the same. As long as that lasts, checks that go through may bring it back for a
# while, and what it is sent meanwhile may fail; once nothing is lost any more, nothing does.
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../failover/lib.sh"

was_taken_out() {
	steerctl -o json events --kind backend |
		grep "\"backend\": *\"$(lab_ip4 blue4)\"" | grep -o 'takes no new flows[^"]*'
}

failover_begin failover-loss "blue: 1"
failover_break loss blue4
lab_wait 20 "blue4 to be taken out" was_taken_out
lab_note "blue4 $(head -n 1 "$LAB_DIR/wait")"
expect "results of what was lost" "$(failover_lost 0 | tr -d '0-9 ' | sed 's/timeout\|reset//g')" ""
failover_bring_back loss blue4
