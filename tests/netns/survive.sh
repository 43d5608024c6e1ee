#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Connections outlive what happens to steerd: weight changes, SIGKILL, SIGTERM, a new program. Not
# one request fails, and each held connection stays with its backend.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin survive
lab_up blue:l2 green:l2
lab_steerd
lab_apply "blue: 50, green: 50"
lab_load_start steady --target "$TARGET4" --target "$TARGET6" --clients 500 \
	--rate $((LAB_RATE / 5)) --held 60 --every $((80000 / LAB_RATE)) --timeout 3000

# Until the load has met what was just done: each held connection has asked again.
go_on() {
	local lines

	lines=$(wc -l <"$LAB_DIR/steady.requests")
	lab_wait 20 "the load to go on" eval \
		"[ \$(wc -l <'$LAB_DIR/steady.requests') -gt $((lines + 600)) ]"
}

none_failed() {
	expect "failed requests after: $1" "$(awk '$5 != "ok"' "$LAB_DIR/steady.requests" | wc -l)" 0
	lab_note "$1: no request failed"
}

program_id() {
	bpftool -j prog show pinned "$LAB_PINS/prog" | sed 's/.*"id":\([0-9]*\).*/\1/'
}

go_on
steerctl split shop green=100 >/dev/null || lab_fail "refused"
go_on
# New connections follow at once; held ones stay, and some of them are blue's.
expect "new connections to blue" \
	"$(tail -n 300 "$LAB_DIR/steady.requests" | awk '$2 == "new" && $7 == "blue"' | wc -l)" 0
[ "$(tail -n 300 "$LAB_DIR/steady.requests" | awk '$2 == "held" && $7 == "blue"' | wc -l)" -gt 0 ] ||
	lab_fail "no held connection is left on blue"
none_failed "a change of weights"

before=$(program_id)
lab_kill steerd KILL
go_on
none_failed "no daemon"
expect "pinned program" "$(program_id)" "$before"
lab_steerd
go_on
[ "$(program_id)" != "$before" ] || lab_fail "the new daemon did not bring its own program"
none_failed "a new daemon after SIGKILL"

steerctl split shop blue=50 green=50 >/dev/null || lab_fail "refused"
lab_kill steerd TERM
go_on
lab_steerd
go_on
none_failed "SIGTERM and a new daemon"
lab_status
expect "weights after the restart" "$(lab_json "$LAB_DIR/status.json" \
	"[h['weight'] for s in d['services'] if s['name'] == 'shop' for h in s['shares']]")" "[50, 50]"

steerctl rollback >/dev/null || lab_fail "nothing to roll back to after a restart"
go_on
none_failed "a rollback to before the restart"
lab_load_stop steady
expect "failed requests in all" "$(lab_failures "$LAB_DIR/steady.json")" 0
