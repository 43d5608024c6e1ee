#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A backend that is far slower than its stack's others gets less of the new flows, over a restart of
# the agent too, and all of its share again when it is as fast; unless the routes say otherwise.
. "$(dirname "$0")/../lab/lib.sh"

# routes [KEY]: both stacks' backends as one stack.
routes() {
	cat <<-END
		stacks:
		  all:
		    health: {type: http, port: 80, path: /healthz, interval: 500ms}
		    ${1:-}
		    backends: [$(printf '{address: %s}, ' "$(lab_ip4 blue1)" "$(lab_ip4 blue2)" \
			"$(lab_ip4 green1)" "$(lab_ip4 green2)")]
		services:
		  shop: {vips: [$VIP4], ports: [80], split: {all: 1}}
	END
}

# Its processes have no time for three quarters of it.
slow_down() {
	# shellcheck disable=SC2046 # words are pids
	lab_spawn slow "$1" sh -c 'while :; do
			kill -STOP "$@"; sleep 0.06
			kill -CONT "$@"; sleep 0.02
		done' sh $(ip netns pids "$LAB-$1")
}

let_go() {
	lab_kill slow
	# shellcheck disable=SC2046 # words are pids
	kill -CONT $(ip netns pids "$LAB-$1")
}

# part BACKEND: what it has of its share.
part() {
	lab_status && lab_json "$LAB_DIR/status.json" \
		"[b['part'] for s in d['stacks'] for b in s['backends'] if b['address'] == '$(lab_ip4 "$1")'][0]"
}

part_is() {
	lab_is_equal "$2" "$(part "$1")"
}

lab_begin slow-backend
lab_up blue:l2 green:l2
lab_node_file "telemetry: {sample: 1}"
lab_steerd
routes >"$LAB_DIR/routes.yaml"
steerctl apply -f "$LAB_DIR/routes.yaml" >/dev/null || lab_fail "the routes were refused"
lab_wait 15 "all backends to be up" lab_all_up
lab_load_start load --target "$TARGET4" --clients 1000 --rate $((LAB_RATE / 2))

lab_note "slow: half of its share, then a quarter"
slow_down green2
lab_wait 60 "green2 to have half of its share" part_is green2 0.5
expect_in "status" "$(steerctl status)" "slow: 50.0 % of its share: "
expect_in "the event" "$(steerctl events --kind backend)" \
	"backend $(lab_ip4 green2) of stack all gets half of its share of new flows, far slower than its peers: "
lab_load --target "$TARGET4" --clients 500 --rate $((LAB_RATE / 2)) --count $((LAB_RATE * 2)) \
	--log "$LAB_DIR/half.requests"
share=$(awk '$8 == "green2" { n++ } END { print n / NR }' "$LAB_DIR/half.requests")
expect_share "green2's share" "$share" 0.125 $((LAB_RATE * 2))
lab_wait 30 "green2 to have a quarter of its share" part_is green2 0.25

lab_note "a new agent goes on with it"
lab_kill steerd
lab_steerd
expect "green2's part" "$(part green2)" 0.25
expect_in "metrics" "$(lab_in edge curl -s "http://127.0.0.1:9451/metrics")" \
	"steerd_backend_part_ratio{stack=\"all\",backend=\"$(lab_ip4 green2)\"} 0.25"

lab_note "fast again: all of its share"
let_go green2
lab_wait 90 "green2 to have all of its share" part_is green2 1.0
lab_load_stop load
expect "failed requests" "$(lab_failures "$LAB_DIR/load.json")" 0

lab_note "on_slow_backend: keep"
routes "on_slow_backend: keep" >"$LAB_DIR/routes.yaml"
expect_in "what changes" "$(steerctl apply -f "$LAB_DIR/routes.yaml")" "stack all: on_slow_backend changed"
