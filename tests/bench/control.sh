#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the control plane costs with as much as a node holds by default: a weight push until packets
# follow it, a whole apply, a start, memory. In namespaces of its own; root only.
#
# All stacks are behind ipip, one half of them behind the router blue1, the other behind green1,
# where nginx answers the health checks of every backend.

readonly SERVICES=1000 STACKS=256 BACKENDS=64 # of each stack
usage="Usage: control.sh [-o json]
What the control plane costs, with $SERVICES services, $STACKS stacks and $((STACKS * BACKENDS)) backends. Root only.
  -o json  instead of a table"
json=
case "$*" in
"") ;;
"-o json") json=json ;;
-h | --help) echo "$usage" && exit ;;
*) echo "$usage" >&2 && exit 2 ;;
esac

. "$(dirname "$0")/../lab/lib.sh"

readonly ROUNDS=3 PUSHES=20 PAUSE_MS=200
readonly PREFIX=10.128 CHECK_INTERVAL=10s # of the backends

routes() {
	awk -v services=$SERVICES -v stacks=$STACKS -v backends=$BACKENDS -v vip="$VIP4" \
		-v prefix=$PREFIX -v interval=$CHECK_INTERVAL 'BEGIN {
		print "stacks:"
		for (s = 0; s < stacks; s++) {
			printf "  s%d:\n    forward: ipip\n", s
			printf "    health: {type: http, port: 80, path: /healthz, via: direct, interval: %s, timeout: 800ms}\n", interval
			print "    backends:"
			for (b = s * backends; b < (s + 1) * backends; b++)
				printf "      - {address: %s.%d.%d}\n", prefix, b / 256, b % 256
		}
		print "services:"
		printf "  pushed: {vips: [%s], protocol: udp, ports: [80], split: {s0: 100, s%d: 0}}\n",
			vip, stacks / 2
		for (i = 1; i < services; i++)
			printf "  service%d: {vips: [10.200.%d.%d], ports: [80, 443], split: {s%d: 95, s%d: 5}}\n",
				i, i / 250, i % 250 + 1, i % stacks, (i + stacks / 2) % stacks
	}'
}

# half NAME FIRST: a router that stands for half of the backends, FIRST the third byte of the first.
half() {
	local net

	net=$PREFIX.$2.0/19 # 8192 addresses
	lab_backend "$1" l2 # no decapsulator: what arrives is only looked at
	ip -n "$LAB-$1" route add local "$net" dev lo
	ip -n "$LAB-edge" route add "$net" via "$(lab_ip4 "$1")"
	lab_serve "$1"
	lab_wait 10 "$1 to serve" lab_answers "$1"
}

now_us() {
	echo "${EPOCHREALTIME/[.,]/}"
}

# Prints the milliseconds since NOW_US.
since() {
	awk -v from="$1" -v to="$(now_us)" 'BEGIN { print (to - from) / 1000 }'
}

# add_samples KEY VALUE ...
add_samples() {
	printf '%s\n' "${@:2}" >>"$LAB_DIR/samples.$1"
}

# start [KEY]: until it is ready.
start() {
	local begun

	begun=$(now_us)
	lab_spawn steerd edge "$LAB_BUILD/steerd" --config "$LAB_DIR/edge.yaml"
	until lab_is_ready >"$LAB_DIR/wait" 2>&1; do
		lab_is_running steerd || lab_fail "steerd ended: $(tail -n 3 "$LAB_DIR/steerd.log")"
		[ $(($(now_us) - begun)) -lt 60000000 ] || lab_fail "steerd is not ready after 60 s"
		sleep 0.005
	done
	[ $# -eq 0 ] || add_samples "$1" "$(since "$begun")"
}

apply() {
	local begun

	begun=$(now_us)
	steerctl apply -f "$LAB_DIR/all.yaml" >"$LAB_DIR/applied" 2>&1 ||
		lab_fail "the routes were refused: $(tail -n 3 "$LAB_DIR/applied")"
	add_samples apply "$(since "$begun")"
}

memory() {
	local pin kib bytes=0

	kib=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/${LAB_PIDS[steerd]}/status")
	for pin in "$LAB_PINS"/*; do
		case ${pin##*/} in prog | link_*) continue ;; esac
		bytes=$((bytes + $(bpftool -j map show pinned "$pin" |
			/usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["bytes_memlock"])')))
	done
	add_samples rss "$(awk -v n="$kib" 'BEGIN { print n / 1024 }')"
	add_samples maps "$(awk -v n=$bytes 'BEGIN { print n / 1048576 }')"
	add_samples memory "$(awk -v n="$kib" -v m=$bytes 'BEGIN { print n / 1024 + m / 1048576 }')"
}

# A life of steerd: from nothing; after a reboot, when there is only state_dir; after a restart.
live() {
	rm -rf "$LAB_PINS" "$LAB_DIR/edge.state"
	start
	apply
	lab_wait 60 "all backends to be up" lab_all_up
	memory
	lab_kill steerd
	rm -rf "$LAB_PINS"
	start cold
	lab_wait 60 "all backends to be up" lab_all_up
	lab_kill steerd
	start warm
	memory
}

# pushes PAUSE_MS KEY_FIRST KEY_ANSWER
pushes() {
	local lines

	"$LAB_BUILD/tests/bench/push" $PUSHES "$1" "$STEERD_ADDRESS" pushed "$VIP4" \
		"$(ip -n "$LAB-edge" -o link show client | sed 's/.*link\/ether \([0-9a-f:]*\).*/\1/')" \
		"$LAB-client" "$LAB-blue1" s0 "$LAB-green1" s$((STACKS / 2)) >"$LAB_DIR/pushes" ||
		lab_fail "the pushes failed"
	mapfile -t lines <"$LAB_DIR/pushes"
	add_samples "$2" "${lines[@]% *}"
	add_samples "$3" "${lines[@]#* }"
}

lab_begin control-bench
lab_namespace edge
lab_edge
half blue1 0
half green1 $((STACKS * BACKENDS / 2 / 256))
lab_node_file
sed -i '/^limits:/d' "$LAB_DIR/edge.yaml" # the default ones
routes >"$LAB_DIR/all.yaml"
for ((round = 1; round <= ROUNDS; round++)); do
	[ $round -eq 1 ] || lab_kill steerd
	live
done
lab_wait 60 "all backends to be up" lab_all_up
pushes $PAUSE_MS push push_answer
pushes 0 burst burst_answer # within the 100 ms in which steerd waits for packets under way
"$LAB_ROOT/tests/bench/control_report.py" "$LAB_DIR" "$SERVICES services, $STACKS stacks, \
$((STACKS * BACKENDS)) backends behind ipip with an HTTP check every $CHECK_INTERVAL; flow table of 1048576 entries" $json
