#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Nobody fails: under a flood of SYNs from nowhere, and while all backends are slow together, flows
# tell nothing against a backend, and clients are served.
export ALARM_FLOOD=10000
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../failover/lib.sh"
. "$(dirname "$0")/../failover/alarms.sh"

# none_blamed WHAT SINCE: seconds of the epoch.
none_blamed() {
	steerctl -o json events --kind backend >"$LAB_DIR/events" || lab_fail "no events"
	expect "findings against backends: $1" "$(grep -c passive "$LAB_DIR/events")" 0
	expect "requests lost: $1" "$(failover_lost "$2")" ""
	lab_note "$1: nobody is blamed, nothing is lost"
}

go_on() {
	for _ in {1..6}; do
		failover_go_on
	done
}

failover_begin failover-alarms "blue: 1"
go_on
alarm_flood_start
began=$(date +%s.%N)
go_on
lab_kill flood TERM
[ "$(lab_json "$LAB_DIR/flood.log" 'd["sent"]')" -gt 1000 ] || lab_fail "that was no flood"
none_blamed "a flood" "$began"
alarm_slow_start
began=$(date +%s.%N)
go_on
alarm_slow_stop
none_blamed "all are slow" "$began"
lab_load_stop steady
