#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Backends are taken out by what their flows show alone: health checks come too seldom to see it,
# or cannot. One process is stopped while its kernel goes on answering, then one host is gone;
# their peers are left alone, and steady load brings no false alarm.
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../failover/lib.sh"

lab_begin detect
failover_up blue
lab_steerd
# A TCP check is content with a kernel that accepts. A second bad one would be a minute away.
failover_routes "blue: 1" | sed 's/health: .*/health: {type: tcp, port: 80, interval: 60s, rise: 1}/' \
	>"$LAB_DIR/routes.yaml"
steerctl apply -f "$LAB_DIR/routes.yaml" >"$LAB_DIR/applied" ||
	lab_fail "the routes were refused: $(cat "$LAB_DIR/applied")"
lab_wait 15 "all backends to be up" failover_all_up

# detected VERDICT: as /metrics has it.
detected() {
	lab_in edge curl -fsS http://127.0.0.1:9451/metrics |
		awk -v name="steerd_detect_$1_total" '$1 == name { print $2 }'
}

# was_declared BACKEND PATTERN: an event says so, with this evidence.
was_declared() {
	steerctl events --kind backend |
		grep -oE "backend $(lab_ip4 "$1") .* takes no new flows: passive: .*($2).*"
}

lab_load_start steady --target "$TARGET4" --clients 200 --rate $((LAB_RATE / 2)) --timeout 3000
lab_wait 20 "connections to every backend" failover_are_used 0 "${LAB_BACKENDS[@]}"
for _ in {1..8}; do
	failover_go_on
done
expect "declared before anything failed" "$(detected declared)" 0

lab_note "a process is stopped; its kernel completes handshakes"
failover_break stopped blue2
lab_wait 10 "blue2 to be declared" was_declared blue2 "first response|first request"
lab_note "$(cat "$LAB_DIR/wait")"
expect "declared" "$(detected declared)" 1
failover_mend stopped blue2

lab_note "a host is gone"
failover_break gone blue4
lab_wait 10 "blue4 to be declared" was_declared blue4 "handshake|SYN"
lab_note "$(cat "$LAB_DIR/wait")"
expect "declared" "$(detected declared)" 2
[ "$(detected suspects)" -ge 2 ] || lab_fail "there were $(detected suspects) suspects only"
failover_go_on
for name in blue1 blue3; do
	failover_is_out $name "^up$" >/dev/null || lab_fail "$name is out: $(cat "$LAB_DIR/wait")"
done
