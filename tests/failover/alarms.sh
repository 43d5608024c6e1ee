# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Nobody fails, and nobody is to be taken out: rows of failover.sh.

readonly ALARM_RATE=1000      # new flows a second in all
readonly ALARM_FLOOD=${ALARM_FLOOD:-50000} # SYNs a second
readonly ALARM_STALL_MS=40    # every backend at once, this long and then as long not
readonly ALARM_MINUTES_SHORT=1 # of the rows that need no half hour

alarm_hogs_start() {
	local i

	for ((i = 1; i <= $(nproc); i++)); do
		lab_spawn "hog$i" client sh -c 'while :; do :; done'
	done
}

alarm_hogs_stop() {
	local i

	for ((i = 1; i <= $(nproc); i++)); do
		lab_kill "hog$i"
	done
}

# What answers the flood goes nowhere.
alarm_flood_start() {
	local mac

	mac=$(ip -n "$LAB-edge" -o link show client | sed 's/.*link\/ether \([0-9a-f:]*\).*/\1/')
	ip -n "$LAB-edge" route replace blackhole 198.18.0.0/15
	rm -f "$LAB_DIR/flood.log"
	lab_spawn flood client "$LAB_BUILD/tests/failover/flood" eth0 "$mac" $VIP4 80 $ALARM_FLOOD
}

# Slower, all of them together: processes that get no time.
alarm_slow_start() {
	lab_spawn slow client sh -c 'while :; do
			kill -STOP "$@"; sleep '.0$ALARM_STALL_MS'
			kill -CONT "$@"; sleep '.0$ALARM_STALL_MS'
		done' sh $(failover_pids blue{1..4})
}

alarm_slow_stop() {
	lab_kill slow
	kill -CONT $(failover_pids blue{1..4})
}

# alarm ROW MINUTES: the disturbance, under load.
alarm() {
	local row=$1 minutes=$2 since

	failover_apply "blue: 1"
	failover_command note 0
	lab_spawn load client sh -c 'out=$1; shift; exec "$@" >"$out"' sh "$LAB_DIR/load.json" \
		"$LAB_BUILD/tests/lab/load" --sources $CLIENTS4 --target "$TARGET4" --clients 2000 \
		--rate $ALARM_RATE --timeout $PATIENCE_MS
	pause 2000 0
	since=$(date +%s.%N)
	case $row in
	calm) alarm_hogs_start ;;
	flood) alarm_flood_start ;;
	slower) alarm_slow_start ;;
	esac
	pause $((minutes * 60000)) 0
	steerctl -o json events --kind backend >"$LAB_DIR/events" || lab_fail "no events"
	case $row in
	calm) alarm_hogs_stop ;;
	flood) lab_kill flood TERM ;;
	slower) alarm_slow_stop ;;
	esac
	pause $((PATIENCE_MS + 200)) 0
	lab_load_stop load
	failover_command note 1
	/usr/bin/python3 "$LAB_ROOT/tests/failover/judge.py" alarm "$row" "$minutes" "$since" \
		"$LAB_DIR" >>"$LAB_DIR/results" || lab_fail "the result of $row cannot be judged"
	progress "$row: $(tail -n 1 "$LAB_DIR/results" |
		/usr/bin/python3 "$LAB_ROOT/tests/failover/judge.py" line)"
	lab_wait 30 "all backends to be up" failover_all_up
}
