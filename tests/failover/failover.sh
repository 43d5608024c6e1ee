#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# How long a dead backend is sent to, and what clients lose by it: 4 backends, of which one fails
# (or a stack of 4, beside another one), a real steerd with default settings, and clients that log
# every request. judge.py makes the table.
#
#   client ──── edge (steerd) ──┬── gate ── blue1   gates note each SYN, and lose frames when told
#    200 or 5,000 new flows/s   ├── gate ── blue2   so (gate.c)
#                               └── …
#
# In namespaces of its own; root only.

readonly ROWS="killed gone stopped stack killed-alone gone-alone stopped-alone stack-alone loss \
calm flood slower"
readonly RATES="200 5000" # new flows a second in all
readonly PATIENCE_MS=2000 # of clients
usage="Usage: failover.sh [-o json] [--only ROW]... [--rate N]... [--runs N] [--minutes N]
Measures the time from a fault to the last new connection sent to the backend that has it, and what
clients lose; and whether a backend is taken out that does not fail. Says which goals are met. Root
only.
  -o json     instead of a table
  --only ROW  only this one of: $ROWS
              -alone: steerd is killed first; the last three: nothing fails
  --rate N    only this one of: $RATES new flows a second in all
  --runs N    faults for each figure (default 20)
  --minutes N of row 'calm' (default 30)
Exit status 0 only if every goal of the rows is met."
output=table rows= rates= runs=20 minutes=30
while [ $# -gt 0 ]; do
	case $1 in
	-o) output=${2:-} && shift ;;
	--only) rows+=" ${2:-}" && shift ;;
	--rate) rates+=" ${2:-}" && shift ;;
	--runs) runs=${2:-} && shift ;;
	--minutes) minutes=${2:-} && shift ;;
	-h | --help) echo "$usage" && exit ;;
	*) echo "$usage" >&2 && exit 2 ;;
	esac
	shift || break
done
for row in $rows; do
	[[ " $ROWS " == *" $row "* ]] || { echo "there is no row '$row': $ROWS" >&2 && exit 2; }
done
for rate in $rates; do
	[[ " $RATES " == *" $rate "* ]] || { echo "there is no rate '$rate': $RATES" >&2 && exit 2; }
done
case $output in table | json) ;; *) echo "$usage" >&2 && exit 2 ;; esac
[[ $runs =~ ^[1-9][0-9]*$ && $minutes =~ ^[1-9][0-9]*$ ]] || { echo "$usage" >&2 && exit 2; }
rows=${rows:-$ROWS} rates=${rates:-$RATES}

. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/alarms.sh"

progress() {
	echo "-- $*" >&2
}

# A time that no interval of steerd's is in step with: at least MS, at most MS + SPREAD.
pause() {
	local ms=$(($1 + RANDOM % ($2 + 1)))

	sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
}

# How long a fault lasts: longer than the goal and the clients' patience.
window_ms() {
	[ "$1" = loss ] && echo 4000 || echo 2500
}

# fault ROW RUN: one fault, and all is as before. Backends take turns.
fault() {
	local row=$1 run=$2 kind=${1%-alone} names=("blue$((($2 - 1) % FAILOVER_PEERS + 1))") began name

	[ "$kind" != stack ] || { kind=gone && names=(blue{1..4}); }
	pause 1200 800
	if [[ $row == *-alone ]]; then
		lab_kill steerd
		pause 300 300
	fi
	failover_break "$kind" "${names[@]}"
	began=$FAILOVER_AT
	pause "$(window_ms "$row")" 0
	failover_mend "$kind" "${names[@]}"
	{
		echo -n "$began $FAILOVER_AT"
		for name in "${names[@]}"; do
			echo -n " $name=$(lab_ip4 "$name")"
		done
		echo
	} >>"$LAB_DIR/faults"
	[[ $row != *-alone ]] || lab_steerd
	# Backends that fail so often would be held down ever longer.
	steerctl health blue auto >/dev/null || lab_fail "what failed is not forgiven"
	lab_wait 30 "all backends to be up" failover_all_up
}

# cell ROW RATE
cell() {
	local row=$1 rate=$2 split="blue: 1" run

	[[ $row != stack* ]] || split="blue: 1, green: 1"
	failover_apply "$split"
	rm -f "$LAB_DIR/faults"
	lab_load_start load --target "$TARGET4" --clients 2000 --rate "$rate" --timeout $PATIENCE_MS
	for ((run = 1; run <= runs; run++)); do
		[ ! -t 2 ] || printf '\r-- %s at %s/s: fault %d of %d ' "$row" "$rate" $run "$runs" >&2
		fault "$row" $run
	done
	[ ! -t 2 ] || printf '\r' >&2
	pause $((PATIENCE_MS + 200)) 0
	lab_load_stop load
	steerctl -o json events --kind backend >"$LAB_DIR/events" || lab_fail "no events"
	/usr/bin/python3 "$LAB_ROOT/tests/failover/judge.py" cell "$row" "$rate" "$LAB_DIR" \
		>>"$LAB_DIR/results" || lab_fail "the result of $row at $rate/s cannot be judged"
	progress "$row at $rate/s: $(tail -n 1 "$LAB_DIR/results" |
		/usr/bin/python3 "$LAB_ROOT/tests/failover/judge.py" line)"
	: >"$LAB_DIR/notes" # the gates append
}

lab_begin failover
progress "load average $(cut -d ' ' -f 1 /proc/loadavg) on $(nproc) CPUs; $runs faults a figure"
failover_up blue green
lab_steerd
for row in $rows; do
	case $row in
	calm) alarm calm "$minutes" ;;
	flood | slower) alarm "$row" $ALARM_MINUTES_SHORT ;;
	*)
		for rate in $rates; do
			[[ $row == *-alone && $rate = 200 ]] || cell "$row" "$rate"
		done
		;;
	esac
done
# A goal that was missed is a result: no logs for that.
/usr/bin/python3 "$LAB_ROOT/tests/failover/judge.py" table "$LAB_DIR/results" "$output" || {
	rm -f "$LAB_DIR"/*.log
	exit 1
}
