# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# The edge's steerd, and what the tests ask and tell it.

lab_interface() {
	[ "$LAB_ARM" = one ] && echo eth0 || echo client
}

# lab_node_file [LINE ...]: edge.yaml, with more lines at its end.
lab_node_file() {
	cat >"$LAB_DIR/edge.yaml" <<-END
		node: edge
		interfaces: [$(lab_interface)]
		listen:
		  unix: $LAB_DIR/edge.sock
		http: 127.0.0.1:9451
		pin_dir: $LAB_PINS
		state_dir: $LAB_DIR/edge.state
		limits: {services: 64, stacks: 64, backends: 256, flows: 131072}
	END
	[ $# -eq 0 ] || printf '%s\n' "$@" >>"$LAB_DIR/edge.yaml"
}

lab_is_ready() {
	lab_is_running steerd || lab_fail "steerd ended: $(tail -n 3 "$LAB_DIR/steerd.log")"
	lab_in edge curl -fsS -m 2 http://127.0.0.1:9451/readyz
}

# lab_steerd: starts it with edge.yaml (made unless there), and waits until it is ready.
lab_steerd() {
	[ -f "$LAB_DIR/edge.yaml" ] || lab_node_file
	lab_spawn steerd edge "$LAB_BUILD/steerd" --config "$LAB_DIR/edge.yaml"
	lab_wait 20 "steerd to be ready" lab_is_ready
}

steerctl() {
	timeout 20 "$LAB_BUILD/steerctl" "$@"
}

# lab_stack_routes STACK [4|6]: its part of a routes file, backends by their address of that family.
# LAB_PACE: how backends are checked, a little more patient than by default, since tests share the
# machine; "" is the default.
lab_stack_routes() {
	local stack=$1 family=${2:-4} often=${LAB_INTERVAL:-100ms} pace

	pace=${LAB_PACE-, interval: $often, timeout: $often, fall: 3, rise: 2}

	cat <<-END
		  $stack:
		    forward: ${LAB_STACK_MODE[$stack]}
		    health: {type: http, port: 80, path: /healthz, via: ${LAB_VIA:-path}$pace}
		    backends:
		      - {address: "$("lab_ip$family" "${stack}1")"}
		      - {address: "$("lab_ip$family" "${stack}2")"}
	END
}

# lab_routes SPLIT [LINE ...]: a routes file with every stack of the lab and the services `shop`
# (TCP) and `chat` (UDP) on the VIPs, split like that; more lines go to shop. A tunnel's backends
# are given by IPv6, which carries both.
lab_routes() {
	local split=$1 stack family

	shift
	echo "stacks:"
	for stack in "${!LAB_STACK_MODE[@]}"; do
		family=4
		[ "${LAB_STACK_MODE[$stack]}" != ipip ] || family=6
		lab_stack_routes "$stack" $family
	done
	cat <<-END
		services:
		  chat: {vips: [$VIP4, "$VIP6"], protocol: udp, ports: [80], split: {$split}}
		  shop:
		    vips: [$VIP4, "$VIP6"]
		    ports: [80]
		    split: {$split}
	END
	[ $# -eq 0 ] || printf '    %s\n' "$@"
}

# lab_apply SPLIT [LINE ...]: and waits until every backend takes flows.
lab_apply() {
	lab_routes "$@" >"$LAB_DIR/routes.yaml"
	steerctl apply -f "$LAB_DIR/routes.yaml" >"$LAB_DIR/applied" ||
		lab_fail "the routes were refused: $(cat "$LAB_DIR/applied")"
	lab_wait 15 "all backends to be up" lab_all_up
}

lab_status() {
	steerctl -o json status >"$LAB_DIR/status.json"
}

lab_all_up() {
	local down

	lab_status || return
	down=$(lab_json "$LAB_DIR/status.json" \
		'[b for s in d["stacks"] for b in s["backends"] if not b.get("up")]')
	echo "$down"
	[ "$down" = "[]" ]
}

# lab_backend_state STACK/ADDRESS: "up", or why not.
lab_backend_state() {
	lab_status || return
	lab_json "$LAB_DIR/status.json" "[('up' if b.get('up') else b.get('reason'))
		for s in d['stacks'] if s['name'] == '${1%%/*}'
		for b in s['backends'] if b['address'] == '${1#*/}'][0]"
}

lab_backend_is() {
	local state

	state=$(lab_backend_state "$1") && echo "$state" && [[ $state == *"$2"* ]]
}

# lab_counter NAME: of the datapath.
lab_counter() {
	lab_status || return
	lab_json "$LAB_DIR/status.json" \
		"[int(c.get('value', 0)) for c in d['counters'] if c['name'] == '$1'][0]"
}
