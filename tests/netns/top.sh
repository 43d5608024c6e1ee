#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# steerctl top in a terminal of 80 x 24, over a real steerd: what it shows, its keys, other sizes,
# a daemon that goes and comes back, and a terminal left as it was found; and the same for programs.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin top
lab_up blue:l2 green:l2
lab_node_file "telemetry: {sample: 1}"
lab_steerd
lab_apply "blue: 75, green: 25"
lab_load_start traffic --target "$TARGET4" --target "$TARGET6" --clients 200 --rate 100

# terminal_open [ARGUMENT ...] of steerctl top.
terminal_open() {
	coproc TERMINAL { /usr/bin/python3 "$LAB_ROOT/tests/lab/terminal.py" -- \
		"$LAB_BUILD/steerctl" top "$@" 2>"$LAB_DIR/terminal.log"; }
}

# terminal COMMAND [TEXT]
terminal() {
	local answer

	echo "$*" >&"${TERMINAL[1]}"
	read -r -t 30 answer <&"${TERMINAL[0]}" || lab_fail "no answer to: $*"
	[ "$answer" = ok ] || lab_fail "$answer"
}

# terminal_end STATUS: and lets go of the terminal.
terminal_end() {
	local pid=$TERMINAL_PID input=${TERMINAL[1]}

	terminal end "$1"
	exec {input}>&-
	wait "$pid"
}

lab_note "what it shows"
terminal_open --interval 500ms
terminal wait 'steerctl top: edge, routes version 1, every 0.5 s, every flow measured'
terminal wait 'NAME +UP +WANT +SEEN +FLOW/S +PKT/S +p50 +p99 +p50 +p99 +ERR/S'
terminal wait 'shop +4/4 +- +- +[0-9]+ +[0-9.k]+ +[0-9.]+[um]s'
terminal wait '  blue +2/2 75.0% [67][0-9.]+% +[0-9]+'
terminal wait 'q quit  h help'

lab_note "keys"
terminal keys /gree
terminal gone blue
terminal keys '\r'
terminal keys '>>>>'
terminal wait "with 'gree', by FLOW/S"
terminal keys '\x7f'
terminal wait blue
terminal keys '\x1b[F'
terminal keys '\x1bOA'
terminal keys '\r'
terminal wait 'service (shop|chat)'
terminal keys h
terminal wait 'Keys: Up and Down select'
terminal keys h
terminal keys '\x7f\x7f'
terminal wait 'all services, by'
terminal keys +
terminal wait 'every 1 s'
terminal keys p
terminal wait PAUSED
terminal keys p
terminal gone PAUSED

lab_note "other sizes"
terminal size 120 30
terminal wait 'SYNR/S  RST/S ABAN/S'
terminal size 40 8
terminal gone 'ABAN/S'
terminal wait NAME
terminal size 80 24
terminal wait 'ERR/S'

lab_note "a daemon that goes away and comes back"
lab_kill steerd KILL
terminal wait 'No connection, trying again: .*edge.sock'
terminal wait shop
lab_steerd
terminal gone 'No connection'
terminal wait 'shop +4/4 +- +- +[0-9]+ '
terminal keys q
terminal_end 0

lab_note "signals"
for ending in TERM:-15 HUP:-1 QUIT:-3 INT:0 SEGV:-11; do
	terminal_open
	terminal wait shop
	terminal signal "${ending%:*}"
	terminal_end "${ending#*:}"
done

lab_note "documents"
steerctl top -o json --count 3 --interval 500ms </dev/null >"$LAB_DIR/documents" ||
	lab_fail "no documents"
expect "documents" "$(wc -l <"$LAB_DIR/documents")" 3
tail -n 1 "$LAB_DIR/documents" >"$LAB_DIR/last.json"
shop='[s for s in d["services"] if s["name"] == "shop"][0]'
expect "shares" "$(lab_json "$LAB_DIR/last.json" \
	"abs(sum(s['seen_share'] for s in ${shop}['stacks']) - 1) < 1e-9")" True
expect "flows" "$(lab_json "$LAB_DIR/last.json" "50 < ${shop}['new_flows_per_s'] < 150")" True
expect "latencies" "$(lab_json "$LAB_DIR/last.json" "${shop}['connect']['p50_ns'] > 0")" True
lab_load_stop traffic
