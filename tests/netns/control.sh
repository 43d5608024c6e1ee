#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# steerctl from end to end: apply, dry run, split, rollback, health, drain, events; each seen by
# real clients.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin control
lab_up blue:l2 green:l2
lab_steerd
lab_apply "blue: 95, green: 5"


lab_note "a dry run changes nothing"
lab_census start
lab_routes "blue: 1, green: 1" >"$LAB_DIR/even.yaml"
out=$(steerctl apply --dry-run -f "$LAB_DIR/even.yaml") || lab_fail "the dry run was refused"
expect_in "the dry run" "$out" "shop"
expect_in "the dry run" "$out" "45.0 %"
lab_census dry
expect "clients that left blue by a dry run" "$(lab_left start dry blue)" 0

lab_note "a split moves the difference, one way"
out=$(steerctl split shop blue=80 green=20) || lab_fail "the split was refused"
expect_in "the split's answer" "$out" "15.0 %"
lab_census twenty
expect "clients that left green" "$(lab_left start twenty green)" 0
left=$(lab_left start twenty blue)
expect_share "share of clients that left blue" "$(awk -v n="$left" 'BEGIN { print n / 1000 }')" 0.15 1000

lab_note "a rollback is exact, and so is its own"
steerctl rollback >/dev/null || lab_fail "the rollback was refused"
lab_census back
lab_same start back "a rollback does not bring every client back"
steerctl rollback shop >/dev/null || lab_fail "the second rollback was refused"
lab_census forth
lab_same twenty forth "a second rollback does not go forward again"

lab_note "a backend forced down gets nothing; its stack keeps its clients"
address=$(lab_ip4 green1)
steerctl health "green/$address" down >/dev/null || lab_fail "health down was refused"
expect_in "the backend's state" "$(lab_backend_state "green/$address")" "operator"
lab_census down
lab_same twenty down "clients changed stack"
expect "requests that green1 got" "$(awk '$8 == "green1"' "$LAB_DIR/down.requests" | wc -l)" 0

lab_note "forced up although nothing listens, then as the checks say"
lab_stop_backend green1
steerctl health "green/$address" auto >/dev/null || lab_fail "health auto was refused"
lab_wait 10 "green1 to be down" lab_backend_is "green/$address" "health check"
steerctl health "green/$address" up >/dev/null || lab_fail "health up was refused"
expect_in "the backend's state" "$(lab_backend_state "green/$address")" "up"
lab_load --target "$TARGET4" --clients 300 --rate 600 --count 300
[ "$(lab_failures "$LAB_DIR/load.json")" -gt 0 ] || lab_fail "a backend forced up gets nothing"
steerctl health "green/$address" auto >/dev/null
lab_serve green1
lab_wait 10 "all backends to be up" lab_all_up

lab_note "a stack that is drained keeps the connections it has"
lab_load_start long --target "$TARGET4" --clients 200 --held 60 --every 100
lab_wait 10 "held connections on green" grep -q green "$LAB_DIR/long.requests"
steerctl drain green >/dev/null || lab_fail "the drain was refused"
lab_census drained
expect "new requests that green got" "$(awk '$7 == "green"' "$LAB_DIR/drained.requests" | wc -l)" 0
before=$(grep -c green "$LAB_DIR/long.requests")
lab_wait 10 "more answers on green's connections" \
	eval "[ \$(grep -c green '$LAB_DIR/long.requests') -gt $((before + 10)) ]"
lab_load_stop long
expect "failed requests on held connections" "$(lab_failures "$LAB_DIR/long.json")" 0
steerctl health green auto >/dev/null || lab_fail "health auto was refused"
lab_census undrained
lab_same twenty undrained "the drain's end does not bring all back"

lab_note "the event log has it"
out=$(steerctl events)
expect_in "the event log" "$out" "$address"
expect_in "the event log" "$out" "version"
