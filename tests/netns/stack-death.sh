#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A stack dies under load: its share goes elsewhere by weight, no other client moves, established
# connections are moved or kept as the service says, and all is as before when it is back.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin stack-death
lab_up blue:l2 green:l2 red:l2
lab_steerd
lab_apply "blue: 60, green: 20, red: 20"

lab_census before
lab_note "one backend of two dies: its stack keeps its clients"
lab_stop_backend red1
lab_wait 10 "red1 to be down" lab_backend_is "red/$(lab_ip4 red1)" "health check: connection refused"
lab_census one
lab_same before one "clients changed stack"

lab_note "the other dies too"
lab_stop_backend red2
lab_wait 10 "red2 to be down" lab_backend_is "red/$(lab_ip4 red2)" "health check"
lab_census dead
expect "clients of blue and green that moved" "$(join "$LAB_DIR/before" "$LAB_DIR/dead" |
	awk '$2 != "red" && $2 != $3' | wc -l)" 0
expect_share "blue's share" "$(lab_share "$LAB_DIR/load.json" blue)" 0.75 1000
expect_share "green's share" "$(lab_share "$LAB_DIR/load.json" green)" 0.25 1000

lab_note "both are back"
lab_serve red1
lab_serve red2
lab_wait 15 "all backends to be up" lab_all_up
lab_census back
lab_same before back "clients are elsewhere than before"

# failovers BACKEND: as /metrics has them.
failovers() {
	lab_in edge curl -fsS http://127.0.0.1:9451/metrics |
		awk -v wanted="backend=\"$(lab_ip4 "$1")\"" \
			'/^steerd_failovers_total{/ && index($0, wanted) { print $2 }'
}
expect "red1's failovers" "$(failovers red1)" 1
expect "red2's failovers" "$(failovers red2)" 1
expect "blue1's failovers" "$(failovers blue1)" 0

lab_note "every backend is down: health is ignored rather than everything refused"
for stack in blue green red; do
	steerctl health $stack down --force >/dev/null || lab_fail "refused"
done
lab_load --target "$TARGET4" --clients 100 --rate $((LAB_RATE / 2)) --count 100
expect "failed requests" "$(lab_failures "$LAB_DIR/load.json")" 0
[ "$(lab_counter panics)" -gt 0 ] || lab_fail "panics does not count"
expect "failovers of a backend that was taken out by hand" "$(failovers blue1)" 0
