#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# fault.sh VERB: what the plan of the lab (plan.sh) does, undoes and asks. CHAOS_DIR is the lab's
# folder; what it is done to is in CHAOS_BACKENDS and the like, see docs/chaos.md.
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/lib.sh"
. "$CHAOS_DIR/lab.env"

each() {
	local name

	for name in $CHAOS_BACKENDS; do
		"$@" "$name" || exit 1
	done
}

kill_servers() {
	chaos_signal "$1" nginx KILL
	chaos_signal "$1" udp_echo KILL
	lab_wait 5 "the end of $1" chaos_is_gone "$1" nginx
}

stop_servers() {
	chaos_signal "$1" nginx STOP
	chaos_signal "$1" udp_echo STOP
}

continue_servers() {
	chaos_signal "$1" nginx CONT
	chaos_signal "$1" udp_echo CONT
}

lose() {
	chaos_set "$2" "$(chaos_percent "$1")" 0
}

# The wire is there before packets are sent through it, and until they no longer are.
slow() {
	local name=$1

	lab_spawn "$name.wire" "$name" "$LAB_BUILD/tests/accuracy/wire" slow slower \
		--delay "$(awk -v ms="$CHAOS_MS" 'BEGIN { printf "%.0f", ms * 1000 }')"
	lab_wait 5 "the wire" grep -q ready "$LAB_DIR/$name.wire.log"
	chaos_set "$name" 0 "$(lab_in "$name" cat /proc/net/dev_mcast |
		awk '$2 == "detour" { print $1; exit }')"
}

no_longer_slow() {
	chaos_set "$1" 0 0
	sleep 0.3 # what is on the way arrives
	chaos_signal "$1" wire TERM
	lab_wait 5 "the end of the wire" chaos_is_gone "$1" wire
	rm -f "$LAB_DIR/$1.wire.log"
}

start_agent() {
	lab_spawn steerd edge "$LAB_BUILD/steerd" --config "$LAB_DIR/edge.yaml"
}

kill_agent() {
	chaos_signal edge steerd "$1"
	lab_wait 10 "the end of steerd" chaos_is_gone edge steerd
}

# The split as a routes file has it: "blue=1 green=2" to "blue: 1, green: 2".
split_text() {
	sed 's/=/: /g; s/ \([a-z]\)/, \1/g' <<<"$CHAOS_SPLIT"
}

routes() {
	lab_routes "$(split_text)" >"$LAB_DIR/pushed-$$.yaml"
	echo "$LAB_DIR/pushed-$$.yaml"
}

# The whole document over the stream that controllers use.
push_sync() {
	local request

	request=$(steerctl call GetStatus '{"routes": true}' | /usr/bin/python3 -c '
import json, sys
routes = json.load(sys.stdin)["routes"]
split = [s.split("=") for s in sys.argv[1].split()]
for service in routes["services"]:
    if service["name"] == "shop":
        service["split"] = [{"stack": s, "weight": int(w)} for s, w in split]
print(json.dumps({"version_tag": "chaos", "routes": routes}))' "$CHAOS_SPLIT") || exit 1
	steerctl call Sync - <<<"$request" | grep -q RESULT_ACK
}

case $1 in
kill) each kill_servers ;;
start) each lab_serve ;;
stop) each stop_servers ;;
continue) each continue_servers ;;
lose) each lose "${CHAOS_PERCENT:-100}" ;;
lose-none) each lose 0 ;;
slow) each slow ;;
slow-none) each no_longer_slow ;;
agent-kill) kill_agent KILL ;;
agent-term) kill_agent TERM ;;
agent-start) start_agent ;;
agent-hang) chaos_signal edge steerd STOP ;;
agent-continue) chaos_signal edge steerd CONT ;;
agent-ready) lab_in edge curl -fsS -m 1 -o "$LAB_DIR/ready" http://127.0.0.1:9451/readyz ;;
disk-fill)
	head -c 1M /dev/zero >"$LAB_DIR/tiny/filler" 2>"$LAB_DIR/filler"
	[ -s "$LAB_DIR/tiny/filler" ]
	;;
disk-clear) rm "$LAB_DIR/tiny/filler" ;;
controller-kill) kill -KILL -- -"$(cat "$LAB_DIR/controller.pid")" ;;
controller-start) chaos_controller ;;
# shellcheck disable=SC2086
push-split) steerctl split "$CHAOS_SERVICE" $CHAOS_SPLIT ;;
push-apply) steerctl apply -f "$(routes)" ;;
push-sync) push_sync ;;
# shellcheck disable=SC2086
push-torn)
	timeout -s KILL "$(awk -v ms="$CHAOS_MS" 'BEGIN { print ms / 1000 }')" \
		"$LAB_BUILD/steerctl" split "$CHAOS_SERVICE" $CHAOS_SPLIT
	;;
push-bad) steerctl apply -f <(lab_routes "blue: 1, gren: 1") ;;
arrivals) chaos_arrivals ;;
received) chaos_received ;;
*)
	echo "fault.sh knows no '$1'" >&2
	exit 2
	;;
esac
