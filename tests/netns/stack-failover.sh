#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A whole stack is gone: its clients, and nobody else's, go down the service's failover list, and
# come back. With no stack fit, health is ignored. Status, events, metrics and explain say so.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin stack-failover
lab_up blue:l2 green:l2 red:l2 violet:l2
lab_steerd
lab_apply "blue: 60, green: 20, red: 20" "failover: [violet, red]"

# moved BEFORE AFTER FROM TO: all clients of one are with the other, and nobody else moved.
moved() {
	expect "clients of $3 that are not with $4" "$(join "$LAB_DIR/$1" "$LAB_DIR/$2" |
		awk -v from="$3" -v to="$4" '$2 == from && $3 != to' | wc -l)" 0
	expect "clients of others that moved" "$(join "$LAB_DIR/$1" "$LAB_DIR/$2" |
		awk -v from="$3" '$2 != from && $2 != $3' | wc -l)" 0
}

share_of() { # STACK EXPRESSION
	lab_status && lab_json "$LAB_DIR/status.json" "[$2 for s in d['services']
		if s['name'] == 'shop' for h in s['shares'] if h['stack'] == '$1'][0]"
}

is_out() {
	[ "$(share_of "$1" "h.get('out', False)")" = True ]
}

is_fit() {
	[ "$(share_of "$1" "h.get('out', False)")" = False ]
}

panics() {
	lab_status && [ "$(lab_json "$LAB_DIR/status.json" "[s.get('panic', False)
		for s in d['services'] if s['name'] == 'shop'][0]")" = "$1" ]
}

metric() {
	lab_in edge curl -fsS -m 2 http://127.0.0.1:9451/metrics | grep -F "$1 " | awk '{ print $2 }'
}

lab_census before
expect "violet's share" "$(lab_share "$LAB_DIR/load.json" violet)" 0.0
client=$(awk -F '[/ ]' '$1 == 4 && $3 == "blue" { print $2; exit }' "$LAB_DIR/before")
client=10.64.$((client / 256)).$((client % 256))

lab_note "blue dies: violet, which stands by, has its clients"
lab_stop_backend blue1
lab_stop_backend blue2
lab_wait 10 "blue to be out" is_out blue
lab_census dead
moved before dead blue violet
expect "who takes over" "$(share_of blue "h['taken_by']")" "['violet']"
expect_in "status" "$(steerctl status)" "out, clients are with violet"
expect_in "events" "$(steerctl events)" \
	"stack blue is out for service shop, 0% of its backends are healthy: violet has its clients"
expect_in "explain" "$(steerctl explain shop tcp "$client:4711" "$TARGET4")" \
	"stack blue is out: stack violet has these of its clients"
expect "steerd_stack_up" "$(metric 'steerd_stack_up{stack="blue"}')" 0

lab_note "violet dies, too: red, the next on the list"
lab_stop_backend violet1
lab_stop_backend violet2
lab_wait 10 "violet to be out" is_out violet
lab_census worse
moved before worse blue red

lab_note "new routes do not tell again what was told"
steerctl split shop blue=61 green=20 red=20 >/dev/null || lab_fail "refused"
steerctl rollback >/dev/null || lab_fail "refused"
lab_census again
lab_same worse again "clients are elsewhere after a rollback"
expect "events of blue being out" "$(steerctl events |
	grep -c "stack blue is out for service shop")" 1

lab_note "both are back"
for name in blue1 blue2 violet1 violet2; do
	lab_serve $name
done
lab_wait 15 "all backends to be up" lab_all_up
lab_census back
lab_same before back "clients are elsewhere than before"
expect_in "events" "$(steerctl events)" "stack blue is back for service shop"
lab_routes "blue: 1" "failover: [blue]" >"$LAB_DIR/alone.yaml"
expect_in "a plan with nobody to take over" \
	"$(steerctl apply -f "$LAB_DIR/alone.yaml" --dry-run)" "nobody takes over from it"

lab_note "with panic at 60%, a stack with one backend of two is out"
lab_apply "blue: 60, green: 20, red: 20" "failover: [violet, red]" "panic: 60%"
steerctl drain "blue/$(lab_ip4 blue2)" >/dev/null || lab_fail "refused"
lab_census drained
lab_same before drained "a backend that an operator holds made its stack fail over"
steerctl health "blue/$(lab_ip4 blue2)" auto >/dev/null
lab_stop_backend blue1
lab_wait 10 "blue to be out" is_out blue
lab_census half
moved before half blue violet
expect "steerd_panic" "$(metric 'steerd_panic{service="shop"}')" 0

lab_note "no stack is fit: panic, and clients are with their own stacks"
for stack in green red violet; do
	lab_stop_backend ${stack}1
done
lab_wait 10 "panic" panics True
expect "steerd_panic" "$(metric 'steerd_panic{service="shop"}')" 1
expect_in "events" "$(steerctl events)" \
	"service shop is in panic: no stack has 60% of its backends healthy; health is ignored"
expect_in "explain" "$(steerctl explain shop tcp "$client:4711" "$TARGET4")" "panic"
expect_in "status" "$(steerctl status)" "panic: health is ignored"
for name in blue1 green1 red1 violet1; do
	lab_serve $name
done
lab_wait 15 "all backends to be up" lab_all_up
lab_wait 5 "the end of panic" panics False
lab_wait 5 "blue to be fit" is_fit blue
lab_census calm
lab_same before calm "clients are elsewhere than before"

lab_note "with steerd dead, packets find violet by themselves"
lab_kill steerd
lab_stop_backend blue1
lab_stop_backend blue2
lab_load --target "$TARGET4" --target "$TARGET6" --clients 500 --rate "$LAB_RATE" \
	--count $((LAB_RATE * 5)) --log "$LAB_DIR/alone.requests"
tail -n "$LAB_RATE" "$LAB_DIR/alone.requests" | awk '{ print $3 "/" $4, $7 }' | sort >"$LAB_DIR/alone"
join "$LAB_DIR/before" "$LAB_DIR/alone" >"$LAB_DIR/joined"
strays=$(awk '$2 == "blue" && $3 != "violet"' "$LAB_DIR/joined" | wc -l)
# Each second a connection to each backend is a trial.
[ "$strays" -le 10 ] || lab_fail "$strays requests of blue's clients were not with violet"
expect "requests of others that went elsewhere" \
	"$(awk '$2 != "blue" && $2 != $3' "$LAB_DIR/joined" | wc -l)" 0
