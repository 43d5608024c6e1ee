#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# drain with a deadline, under load and over a restart of the agent: no new flows, old ones stay
# and are counted until the time is up, and are let go then. Nobody takes everything out by
# accident, and what a controller says runs out.
. "$(dirname "$0")/../lab/lib.sh"

readonly DEADLINE_S=8

# status_of BACKEND FIELD
status_of() {
	lab_status || return
	lab_json "$LAB_DIR/status.json" "[b.get('$2', 0) for s in d['stacks'] for b in s['backends']
		if b['address'] == '$(lab_ip4 "$1")'][0]"
}

# answered BACKEND KIND SINCE [UNTIL]: requests of the load that it answered, which began between.
answered() {
	awk -v who="$1" -v kind="$2" -v since="$3" -v until="${4:-1e12}" '
		$8 == who && $2 == kind && $5 == "ok" && $1 >= since && $1 < until { n++ }
		END { print n + 0 }' "$LAB_DIR/load.requests"
}

# held_on BACKEND: connections that stay, by their clients, that it answered in the last second.
held_on() {
	awk -v who="$1" -v since="$(($(date +%s) - 1))" '
		$8 == who && $2 == "held" && $1 >= since { print $3, $4 }' "$LAB_DIR/load.requests" |
		sort -u | wc -l
}

# What status says, as one line without the table's frame.
status_text() {
	steerctl status | tr -cs '[:alnum:],;./' ' '
}

unix_now() {
	date +%s.%N
}

flows_counted() {
	[ "$(status_of blue1 flows)" -gt 0 ]
}

lab_begin drain
lab_up blue:l2 green:l2
lab_steerd
lab_apply "blue: 50, green: 50" "on_backend_down: reset"
lab_load_start load --target "$TARGET4" --clients 500 --rate $((LAB_RATE / 4)) --held 200 \
	--every 200 --timeout 3000
sleep 2

lab_note "draining with a deadline: no new flows, old ones stay"
held=$(held_on blue1)
[ "$held" -gt 10 ] || lab_fail "only $held connections are on blue1"
begun=$(unix_now)
steerctl drain "blue/$(lab_ip4 blue1)" --deadline ${DEADLINE_S}s --wait \
	>"$LAB_DIR/drain" 2>"$LAB_DIR/drain.said" &
waits=$!
lab_wait 5 "a count" flows_counted
lab_wait 5 "the flows left to be said" grep -q "flows left" "$LAB_DIR/drain"
expect_in "drain" "$(cat "$LAB_DIR/drain")" "in ${DEADLINE_S}s the flows that are left go as"
# Ports are reused at random: of this backend's short connections some were never seen to end.
flows=$(status_of blue1 flows)
[ "$flows" -ge "$held" ] && [ "$flows" -le $((held + held / 4 + 5)) ] ||
	lab_fail "$flows flows are counted on blue1, which has $held connections"
expect_in "status" "$(status_text)" " flows left, let go in "
lab_note "$flows flows are counted, of $held connections"

lab_note "the agent is killed meanwhile, and knows the deadline when it is back"
lab_kill steerd
lab_wait 5 "the one that waits to say so" grep -q "waiting up to 30 s" "$LAB_DIR/drain.said"
lab_steerd
left=$(status_of blue1 drain_left_ms)
[ "$left" -gt 0 ] && [ "$left" -lt $((DEADLINE_S * 1000)) ] || lab_fail "$left ms are left"
is_over() {
	[ "$(status_of blue1 drain_over)" = True ]
}
lab_wait $((DEADLINE_S + 2)) "the deadline" is_over
over=$(unix_now)
awk -v took="$(awk -v a="$begun" -v b="$over" 'BEGIN { print b - a }')" -v due=$DEADLINE_S \
	'BEGIN { exit !(took > due - 0.2 && took < due + 1.5) }' ||
	lab_fail "the drain of ${DEADLINE_S} s took from $begun to $over"
wait $waits || lab_fail "the wait ended with $?: $(cat "$LAB_DIR/drain.said")"
expect_in "the last words" "$(tail -n 1 "$LAB_DIR/drain")" "the time is up: "
sleep 1

lab_note "waiting ends with the deadline, too"
steerctl -o json drain "blue/$(lab_ip4 blue2)" --deadline 2s --wait --force \
	>"$LAB_DIR/wait.json" || lab_fail "the wait failed"
expect "the last word" "$(tail -n 1 "$LAB_DIR/wait.json" | /usr/bin/python3 -c '
import json, sys
d = json.load(sys.stdin)
print(d["done"], d["drain_over"], d["packets_per_second"] > 0)')" "True True True"
lab_load_stop load
# Half a second for what was under way, and for a request that was late.
after=$(awk -v t="$begun" 'BEGIN { printf "%.3f", t + 0.5 }')
late=$(awk -v t="$over" 'BEGIN { printf "%.3f", t + 0.5 }')
expect "new connections to blue1 while it drained" "$(answered blue1 new "$after")" 0
[ "$(answered blue1 held "$after" "$over")" -gt $((held * 3)) ] ||
	lab_fail "the connections of blue1 did not go on while it drained"
expect "requests on blue1 after the deadline" "$(answered blue1 held "$late")" 0
expect "requests that failed before the deadline" "$(awk -v t="$begun" -v o="$over" \
	'$5 != "ok" && $1 < o - 0.5' "$LAB_DIR/load.requests" | wc -l)" 0
expect_in "status" "$(status_text)" "drained by operator, time is up"
steerctl health blue auto >/dev/null || lab_fail "auto was refused"
lab_wait 5 "all backends to be up" lab_all_up

lab_note "waiting ends when nothing is left"
lab_load --target "$TARGET4" --clients 100 --rate $((LAB_RATE / 2)) --count 400
steerctl drain green --deadline 5m --wait >"$LAB_DIR/wait" || lab_fail "the wait failed"
expect "the last words" "$(tail -n 1 "$LAB_DIR/wait")" "no flows are left"
steerctl health green auto >/dev/null
lab_wait 5 "all backends to be up" lab_all_up

lab_note "nobody takes everything out by accident"
steerctl drain green >/dev/null || lab_fail "the first stack was not taken out"
expect_refused "would leave service shop with no backend: add --force" steerctl health blue down
expect_refused "would leave service chat with no backend" steerctl drain blue --ttl 30s
steerctl drain "blue/$(lab_ip4 blue1)" >/dev/null || lab_fail "one of two was refused"
expect_refused "drain of blue/$(lab_ip4 blue2) would leave" steerctl drain "blue/$(lab_ip4 blue2)"
expect "blue2" "$(lab_backend_state "blue/$(lab_ip4 blue2)")" up
steerctl health blue down --force >/dev/null || lab_fail "force did not help"
lab_wait 2 "blue2 to be down" lab_backend_is "blue/$(lab_ip4 blue2)" "down by operator"
steerctl health blue auto >/dev/null
steerctl health green auto >/dev/null
lab_wait 5 "all backends to be up" lab_all_up
expect_refused "only a drain has a deadline" steerctl call SetHealth \
	'{"stack": "blue", "override": "HEALTH_OVERRIDE_DOWN", "deadline_ms": 5000}'
expect_refused "ttl_ms: is 999" steerctl call SetHealth \
	'{"stack": "blue", "override": "HEALTH_OVERRIDE_DOWN", "ttl_ms": 999}'

lab_note "what a controller says runs out, and an operator goes before it"
steerctl health "green/$(lab_ip4 green1)" down --ttl 2s >/dev/null || lab_fail "refused"
expect "green1" "$(lab_backend_state "green/$(lab_ip4 green1)")" "down by controller"
expect_in "status" "$(status_text)" "down by controller for "
lab_wait 4 "the view to run out" lab_all_up
steerctl health "green/$(lab_ip4 green1)" down >/dev/null || lab_fail "refused"
steerctl health "green/$(lab_ip4 green1)" up --ttl 2s >/dev/null || lab_fail "refused"
expect "green1" "$(lab_backend_state "green/$(lab_ip4 green1)")" "down by operator"
steerctl health "green/$(lab_ip4 green1)" auto >/dev/null
lab_wait 5 "all backends to be up" lab_all_up

lab_note "a controller's view is set aside while nobody else is left, and heeded again"
steerctl health green down --ttl 1h >/dev/null || lab_fail "refused"
expect "green1" "$(lab_backend_state "green/$(lab_ip4 green1)")" "down by controller"
lab_stop_backend blue1
lab_stop_backend blue2
lab_wait 5 "green1 to be let in" lab_backend_is "green/$(lab_ip4 green1)" up
lab_load --target "$TARGET4" --clients 100 --rate $((LAB_RATE / 4)) --count 100
expect "failed requests" "$(lab_failures "$LAB_DIR/load.json")" 0
lab_serve blue1
lab_wait 10 "green1 to be out again" lab_backend_is "green/$(lab_ip4 green1)" "down by controller"
expect "blue1" "$(lab_backend_state "blue/$(lab_ip4 blue1)")" up
