#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The truth against steerd's estimate: a server that logs its own service times, clients that log
# what they saw, and what steerd says of the same flows, all of which it samples.
#
#   client ──── wire, 10 ms each way ──── switch ──── edge (steerd, XDP_TX)
#                                            └─────── blue1 (server; answers the client directly)
#
# In namespaces of its own; root only. judge.py makes the table.

readonly ROWS="plain-1ms tls-1ms plain-10ms tls-10ms plain-100ms tls-100ms long-10ms connect \
syn-retransmits memory metrics"
usage="Usage: accuracy.sh [-o json] [--only ROW]...
Measures how far steerd's estimates are from the truth, and says which goals are met. Root only.
  -o json     instead of a table
  --only ROW  only this one of: $ROWS
Exit status 0 only if every goal of the rows is met."
output=table rows=
while [ $# -gt 0 ]; do
	case $1 in
	-o) output=${2:-} && shift ;;
	--only) rows+=" ${2:-}" && shift ;;
	-h | --help) echo "$usage" && exit ;;
	*) echo "$usage" >&2 && exit 2 ;;
	esac
	shift || break
done
for row in $rows; do
	[[ " $ROWS " == *" $row "* ]] || { echo "there is no row '$row': $ROWS" >&2 && exit 2; }
done
case $output in table | json) ;; *) echo "$usage" >&2 && exit 2 ;; esac
rows=${rows:-$ROWS}

export LAB_ARM=one
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/lib.sh"

readonly DELAY_US=10000 # each way
readonly THINK_US=20000
readonly LOSS=0.02
readonly SPREAD=0.2 # standard deviation of the logarithm of clients' delays
readonly MANY=1000 # backends

judge() {
	/usr/bin/python3 "$LAB_ROOT/tests/accuracy/judge.py" "$@" >>"$LAB_DIR/results" ||
		lab_fail "the result of $2 cannot be judged"
}

progress() {
	echo "-- $*" >&2
}

# service_row ROW: medians of 1, 10, 100 ms. Each flow's anchor is true to a tick of the backend's
# clock only, so that a mean of 1 ms takes many flows. Long flows live through several windows in
# which that clock is followed.
service_row() {
	local row=$1 kind=${1%-*} ms=${1#*-} port=80 tls=() rate=40 connections=500 requests=20

	ms=${ms%ms}
	[ "$ms" != 1 ] || { rate=100 connections=1500 requests=10; }
	[ "$kind" != tls ] || { port=443 && tls=(--tls); }
	[ "$kind" != long ] || { rate=100 connections=30 requests=600; }
	progress "$row: median $ms ms, keep-alive, $((THINK_US / 1000)) ms think time"
	accuracy_server blue1
	accuracy_telemetry "$LAB_DIR/$row.before"
	accuracy_client "$row" --port $port "${tls[@]}" --path "/$((ms * 1000))" --rate $rate \
		--connections $connections --requests $requests --think $THINK_US \
		--timeout 100000
	accuracy_settled "$LAB_DIR/$row.after"
	accuracy_server_stop blue1
	judge service "$row" "$ms" "$LAB_DIR/$row.before" "$LAB_DIR/$row.after" \
		"$LAB_DIR/blue1.log.server" "$LAB_DIR/$row.log.client"
}

# Clients live at different distances: a histogram cannot tell quantiles apart within one bucket.
connect_row() {
	progress "connect: round trips of $((DELAY_US / 500)) ms and around"
	accuracy_wire --spread $SPREAD
	accuracy_server blue1
	accuracy_telemetry "$LAB_DIR/connect.before"
	accuracy_client connect --path /1000 --rate 800 --connections 16000 --requests 1
	accuracy_settled "$LAB_DIR/connect.after"
	accuracy_server_stop blue1
	accuracy_wire
	judge connect connect "$LAB_DIR/connect.before" "$LAB_DIR/connect.after" \
		"$LAB_DIR/connect.log.client"
}

syn_retransmits() {
	lab_in client nstat -a -z -j TcpExtTCPSynRetrans 2>/dev/null |
		sed -n 's/.*"TcpExtTCPSynRetrans" *: *\([0-9]*\).*/\1/p'
}

# Frames are lost on their way to the client. A SYN lost on its way to the edge is nothing that
# the edge could count.
retransmits_row() {
	local before after

	progress "syn-retransmits: $LOSS of the frames to the client are lost"
	accuracy_wire --loss $LOSS
	accuracy_server blue1
	before=$(syn_retransmits)
	accuracy_telemetry "$LAB_DIR/syn.before"
	accuracy_client syn --path /1000 --rate 400 --connections 4000 --requests 1
	after=$(syn_retransmits)
	accuracy_settled "$LAB_DIR/syn.after"
	accuracy_server_stop blue1
	accuracy_wire
	judge retransmits syn-retransmits "$LAB_DIR/syn.before" "$LAB_DIR/syn.after" $((after - before))
}

# A thousand backends that are one: all of their addresses lead to blue1. Permanent neighbours do
# not count towards the bound that all namespaces share.
many_backends() {
	local i mac

	[ ! -e "$LAB_DIR/many.yaml" ] || return
	lab_kill steerd TERM
	rm -rf "$LAB_PINS" "$LAB_DIR/edge.state"
	accuracy_node_file $MANY
	mac=$(lab_mac blue1)
	for ((i = 0; i < MANY; i++)); do
		echo "neighbour replace 10.1.$((16 + i / 250)).$((1 + i % 250)) lladdr $mac dev eth0 nud permanent"
	done | ip -n "$LAB-edge" -batch -
	{
		echo "stacks:"
		echo "  blue:"
		echo "    backends:"
		for ((i = 0; i < MANY; i++)); do
			echo "      - {address: 10.1.$((16 + i / 250)).$((1 + i % 250))}"
		done
		echo "services:"
		echo "  shop: {vips: [$VIP4], ports: [80], split: {blue: 1}}"
	} >"$LAB_DIR/many.yaml"
	lab_steerd
	steerctl apply -f "$LAB_DIR/many.yaml" >"$LAB_DIR/applied" ||
		lab_fail "the routes were refused: $(cat "$LAB_DIR/applied")"
	lab_wait 30 "all backends to be up" lab_all_up
}

memory_row() {
	progress "memory: $MANY backends"
	many_backends
	judge memory memory "$LAB_PINS" $MANY
}

metrics_row() {
	progress "metrics: $MANY backends, each with traffic"
	many_backends
	accuracy_server blue1
	accuracy_client metrics --path /1000 --rate 600 --connections 8000 --requests 1
	accuracy_settled "$LAB_DIR/metrics.after"
	accuracy_server_stop blue1
	lab_in edge /usr/bin/python3 "$LAB_ROOT/tests/accuracy/scrape.py" \
		http://127.0.0.1:9451 "$STEERD_ADDRESS" >"$LAB_DIR/scrape" || lab_fail "the scrape failed"
	judge metrics metrics "$LAB_DIR/scrape" $MANY
}

lab_begin accuracy
progress "load average $(cut -d ' ' -f 1 /proc/loadavg) on $(nproc) CPUs"
accuracy_up blue1
accuracy_wire
accuracy_node_file 256
lab_steerd
accuracy_apply blue1
accuracy_warm_up blue1
for row in $rows; do
	case $row in
	plain-* | tls-* | long-*) service_row "$row" ;;
	connect) connect_row ;;
	syn-retransmits) retransmits_row ;;
	memory) memory_row ;;
	metrics) metrics_row ;;
	esac
done
/usr/bin/python3 "$LAB_ROOT/tests/accuracy/judge.py" table "$LAB_DIR/results" "$output"
