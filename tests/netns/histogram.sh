#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# steerctl histogram, sampling and events over a real steerd: tables, shapes, JSON, an early end,
# reasons for nothing, and what is asked for in the wrong way.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin histogram
lab_up blue:l2 green:l2
lab_node_file "telemetry: {sample: 1}"
lab_steerd
lab_apply "blue: 75, green: 25"

# expect_no_samples REASON ARGUMENT ...: of steerctl histogram, which prints nothing else.
expect_no_samples() {
	local reason=$1

	shift
	expect_refused "$reason" steerctl histogram "$@"
	expect "what is shown of nothing" "$(steerctl histogram "$@" 2>/dev/null)" ""
}

lab_note "before traffic"
expect_no_samples "no samples: no new flow came in that time"
expect "sampling" "$(steerctl sampling)" "every new flow is measured"
expect "sampling rounded up" "$(steerctl sampling 50)" "one new flow in 64 is measured"
expect "sampling shown" "$(steerctl sampling)" "one new flow in 64 is measured"
expect "sampling off" "$(steerctl sampling off)" "no new flow is measured"
expect_no_samples "sampling is off ('steerctl sampling auto' turns it on)"
expect "sampling, for programs" "$(steerctl -o json sampling 1 | tr -d ' \n')" '{"one_in":1}'

lab_note "traffic"
lab_load_start traffic --target "$TARGET4" --target "$TARGET6" --clients 200 --rate 100

# samples FILE STACK KIND
samples() {
	lab_json "$1" "sum(s['latencies'].get('$3', {'count': 0})['count'] for s in d['series']
		if s['stack'] == '$2')"
}

has_samples() {
	steerctl -o json histogram >"$LAB_DIR/all.json" 2>/dev/null &&
		[ "$(samples "$LAB_DIR/all.json" green connect)" -ge 50 ]
}
lab_wait 20 "50 samples of green" has_samples
summary=$(steerctl histogram)
expect_in "the summary" "$summary" "SERVICE STACK KIND"
expect_in "the summary" "$summary" "shop    blue  connect"
expect_in "the shape" \
	"$(steerctl histogram -s shop --stack blue --backend 10.1.1.2 -k connect)" \
	"connect: service shop, stack blue, backend 10.1.1.2"
expect_in "a comparison" "$(steerctl histogram --compare blue,green -k connect)" "TOLD APART"
expect_no_samples "no samples of quic-spin for stack blue: there are samples of: connect" \
	--stack blue --kind quic-spin
expect_no_samples "no stack is called 'gren' (did you mean 'green'?)" --compare blue,gren
expect_no_samples "no service is called 'shp' (did you mean 'shop'?)" --service shp

lab_note "some seconds of it"
steerctl -o json histogram --for 1s >"$LAB_DIR/second.json" || lab_fail "no second"
expect "flows of a second" "$(lab_json "$LAB_DIR/second.json" \
	"60 < sum(s['latencies'].get('connect', {'count': 0})['count']
		for s in d['series']) < 140")" True
expect "that second" "$(lab_json "$LAB_DIR/second.json" \
	"900 < d['to_unix_ms'] - d['from_unix_ms'] < 1500")" True
timeout --preserve-status --foreground -s INT 2 "$LAB_BUILD/steerctl" histogram --for 60s >"$LAB_DIR/said"
expect "status after an early end" $? 0
expect_in "what there is at an early end" "$(cat "$LAB_DIR/said")" connect

lab_note "events"
expect "kinds of events" "$(steerctl -o json events --kind flow,agent |
	/usr/bin/python3 -c 'import json, sys
print(*sorted({json.loads(line)["kind"] for line in sys.stdin}))')" "agent flow"
expect_in "an event of a flow" "$(steerctl events --kind flow)" \
	"first connection to backend 10.1.1.2 of stack blue"
lab_spawn events client sh -c 'exec "$1" events -f --kind agent --after 5 >"$2"' sh \
	"$LAB_BUILD/steerctl" "$LAB_DIR/followed"
steerctl sampling auto >/dev/null
lab_wait 10 "the event to be told" grep -q 'sampling by order' "$LAB_DIR/followed"
lab_kill events TERM
lab_load_stop traffic
