#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A short run of chaos by one seed holds; one that is judged by a bound that nobody can keep says
# what broke, and leaves a schedule that can be done again; one that is told to stop undoes what it
# did. None of them leaves anything behind.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin chaos-test
readonly SEED_HERE=3
unset SEED TIME
/usr/bin/python3 -c 'import yaml' 2>/dev/null || lab_skip "python3-yaml is not installed (make deps)"

# chaos NAME OPTION ...: to its end; what it said is in NAME.out, its folder and pins are its own.
chaos() {
	local name=$1

	shift
	mkdir -p "$LAB_DIR/$name"
	BUILD=$LAB_BUILD TMPDIR=$LAB_DIR/$name CHAOS_DETECTION=${bound:-2s} CHAOS_RATE=150 \
		LAB_INTERVAL=250ms LAB_FALL=3 \
		"$LAB_ROOT/tests/chaos/chaos.sh" --save "$LAB_DIR" "$@" >"$LAB_DIR/$name.out" \
		2>"$LAB_DIR/$name.err" &
	chaos_pid=$!
}

chaos_ends() {
	local status

	wait "$chaos_pid"
	status=$?
	expect "exit status of '$1' ($(tail -n 40 "$LAB_DIR/$1.out"))" $status "$2"
	expect "folders left by '$1'" "$(ls "$LAB_DIR/$1")" ""
	expect "namespaces left by '$1'" "$(ip netns list | grep -c "^chaos-$chaos_pid-")" 0
	expect "pins left by '$1'" "$(ls /sys/fs/bpf | grep -c "^chaos-$chaos_pid")" 0
	expect "processes left by '$1'" "$(pgrep -f "$LAB_DIR/$1" | wc -l)" 0
}

said() {
	grep -q "$2" "$LAB_DIR/$1.out"
}

chaos good --seed $SEED_HERE --time 20s -o json
chaos_ends good 0
expect "outcome" "$(lab_json "$LAB_DIR/good.out" 'd["outcome"]')" held
expect "what was not judged" "$(lab_json "$LAB_DIR/good.out" '" ".join(i["name"]
	for i in d["invariants"] if not i["judged"] and i["name"] not in ("weights", "backends"))')" ""
lab_note "$(lab_json "$LAB_DIR/good.out" '"%d faults, %d of %d requests failed, %d false alarms" %
	(d["faults"], d["failed"], d["requests"], len(d["false_alarms"]))')"

bound=1ms
chaos bad --seed $SEED_HERE --time 20s
chaos_ends bad 1
said bad "^VIOLATED: " || lab_fail "it does not say what broke"
said bad "^seed $SEED_HERE" || lab_fail "it does not say the seed"
said bad "replay $LAB_DIR/chaos-$SEED_HERE.json" || lab_fail "it does not say how to do it again"
lab_note "$(grep ^VIOLATED "$LAB_DIR/bad.out")"

bound=2s
chaos again --replay "$LAB_DIR/chaos-$SEED_HERE.json"
lab_wait 30 "the first fault" said again "^ *[0-9.]* s  [a-z-]* [a-z]*[12] for"
expect "schedule that is done again" "$(grep -m 1 -o ' s  [a-z-]* .* for .*' "$LAB_DIR/again.out")" \
	"$(grep -m 1 -o ' s  [a-z-]* .* for .*' "$LAB_DIR/good.err")"
kill -TERM "$chaos_pid"
chaos_ends again 143
said again "^INTERRUPTED" || lab_fail "it does not say that it was told to stop"
