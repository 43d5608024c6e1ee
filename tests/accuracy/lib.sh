# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# A lab of backends whose service times are known, behind a long wire: after lab/lib.sh, with
# LAB_ARM=one.

readonly ACCURACY_CLIENTS=500 # addresses: a client keeps to its stack

# accuracy_up BACKEND ...: namespaces and links; the wire's ends are in the switch.
accuracy_up() {
	local name

	lab_namespace edge
	lab_edge
	for name in "$@"; do
		lab_backend "$name" l2
		LAB_STACK_MODE[$(lab_stack_of "$name")]=l2
	done
	ip -n "$LAB-switch" link set client nomaster
	ip -n "$LAB-switch" link add wire type veth peer name wired
	lab_in switch sh -c 'for name in client wire; do
			echo 1 >/proc/sys/net/ipv6/conf/$name/disable_ipv6
		done'
	ip -n "$LAB-switch" link set wire up
	ip -n "$LAB-switch" link set wired master bridge up
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=shop \
		-keyout "$LAB_DIR/key.pem" -out "$LAB_DIR/cert.pem" 2>/dev/null ||
		lab_fail "no certificate"
}

# accuracy_wire [OPTION ...]: laid anew, and carrying.
accuracy_wire() {
	[ -z "${LAB_PIDS[wire]:-}" ] || lab_kill wire TERM
	: >"$LAB_DIR/wire.log"
	lab_spawn wire switch "$LAB_BUILD/tests/accuracy/wire" client wire \
		--delay "${ACCURACY_DELAY_US:-$DELAY_US}" "$@"
	lab_wait 5 "the wire" grep -q ready "$LAB_DIR/wire.log"
}

# accuracy_node_file BACKENDS: every flow is sampled.
accuracy_node_file() {
	lab_node_file "telemetry: {sample: 1}"
	sed -i "s/^limits:.*/limits: {services: 64, stacks: 64, backends: $1, flows: 131072}/" \
		"$LAB_DIR/edge.yaml"
}

# accuracy_apply BACKEND ...: one stack each; the service is split evenly.
accuracy_apply() {
	local name split=

	{
		echo "stacks:"
		for name in "$@"; do
			echo "  $(lab_stack_of "$name"): {backends: [{address: $(lab_ip4 "$name")}]}"
			split+="${split:+, }$(lab_stack_of "$name"): 1"
		done
		echo "services:"
		echo "  shop: {vips: [$VIP4], ports: [80, 443], split: {$split}}"
	} >"$LAB_DIR/routes.yaml"
	steerctl apply -f "$LAB_DIR/routes.yaml" >"$LAB_DIR/applied" ||
		lab_fail "the routes were refused: $(cat "$LAB_DIR/applied")"
	lab_wait 15 "all backends to be up" lab_all_up
}

# accuracy_server BACKEND [OPTION ...]
accuracy_server() {
	local name=$1

	shift
	: >"$LAB_DIR/$name.log"
	lab_spawn "$name" "$name" "$LAB_BUILD/tests/accuracy/server" --port 80 --tls-port 443 \
		--cert "$LAB_DIR/cert.pem" --key "$LAB_DIR/key.pem" --log "$LAB_DIR/$name.log.server" "$@"
	lab_wait 5 "$name to listen" grep -q ready "$LAB_DIR/$name.log"
}

# Leaves its log in BACKEND.log.server.
accuracy_server_stop() {
	lab_kill "$1" TERM
	[ -s "$LAB_DIR/$1.log.server" ] || lab_fail "$1 left no log"
}

# accuracy_client NAME OPTION ...: to its end; its log is NAME.log.client.
accuracy_client() {
	local name=$1

	shift
	lab_in client timeout -k 5 120 "$LAB_BUILD/tests/accuracy/client" --target $VIP4 \
		--sources $CLIENTS4 --clients $ACCURACY_CLIENTS --log "$LAB_DIR/$name.log.client" "$@" >"$LAB_DIR/$name.json" ||
		lab_fail "the client failed"
	expect "failed connections" "$(lab_json "$LAB_DIR/$name.json" 'd["failed"]')" 0
}

# accuracy_telemetry FILE: all that was counted since the start.
accuracy_telemetry() {
	steerctl call steerd.v1.AgentService/WatchTelemetry \
		'{"from_start": true, "messages": 1, "interval_ms": 100}' >"$1" ||
		lab_fail "no telemetry"
}

accuracy_is_settled() {
	accuracy_telemetry "$1.next"
	cp "$1" "$1.last" && cp "$1.next" "$1"
	/usr/bin/python3 "$LAB_ROOT/tests/accuracy/judge.py" same "$1.last" "$1"
}

# accuracy_settled FILE: as accuracy_telemetry, once nothing is added any more.
accuracy_settled() {
	accuracy_telemetry "$1"
	lab_wait 10 "the telemetry to settle" accuracy_is_settled "$1"
}

# Neighbours are resolved, and what the backends' clocks tick in is found out.
accuracy_warm_up() {
	local name

	for name in "$@"; do
		accuracy_server "$name"
	done
	accuracy_client warm-up --path /1000 --rate 100 --connections 100 --requests 4
	accuracy_client warm-up --tls --port 443 --path /1000 --rate 50 --connections 20 --requests 4
	for name in "$@"; do
		accuracy_server_stop "$name"
	done
}
