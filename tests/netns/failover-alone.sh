#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# steerd is killed, then a backend: the kernel by itself sends new connections elsewhere but for a
# trickle that finds out whether it is back, and then sends them there again. In each way that a
# backend can fail; and a new steerd goes on from there.
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../failover/lib.sh"

# share_of BACKEND: the percentage of new connections that it was sent, of 50 and more. All are
# noted until the look.
share_of() {
	local since

	failover_command look
	since=${FAILOVER_AT% *}
	failover_go_on
	failover_command look
	awk -v backend="$1" -v since="$since" '
		$3 ~ /^10\.64\./ && !seen[$3, $4, $5]++ && $1 > since { n[$2]++; all++ }
		END { print int(100 * n[backend] / all) }' "$LAB_DIR/notes"
}

has_little() {
	[ "$(share_of "$1")" -lt 5 ]
}

has_its_share() {
	[ "$(share_of "$1")" -gt 12 ]
}

failover_begin failover-alone "blue: 1"
for kind in killed gone stopped; do
	lab_kill steerd
	failover_break $kind blue2
	lab_wait 20 "blue2, $kind, to be sent little" has_little blue2
	failover_mend $kind blue2
	lab_wait 20 "blue2 to be sent its share again" has_its_share blue2
	lab_note "$kind: blue2 was sent little, and then its share again"
	lab_steerd
	lab_wait 20 "all backends to be up" failover_all_up
done
failover_command look
back=$(failover_at_s)
failover_go_on
expect "requests lost after all was well" "$(failover_lost "$back")" ""
lab_load_stop steady
