#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Health checks go the way that clients' packets go: a backend that answers at its own address but
# not at the VIP is down with `via: path` and `via: both`, and up with `via: direct`. `brief` leaves
# out what has to do with this host rather than with the way.
. "$(dirname "$0")/../lab/lib.sh"

apply_via() {
	LAB_VIA=$1 lab_routes "blue: 30, violet: 70" >"$LAB_DIR/routes.yaml"
	steerctl apply -f "$LAB_DIR/routes.yaml" >"$LAB_DIR/applied" 2>&1 ||
		lab_fail "the routes were refused: $(cat "$LAB_DIR/applied")"
}

# check_of STACK/ADDRESS: how it is checked.
check_of() {
	lab_status || return
	lab_json "$LAB_DIR/status.json" "[b.get('check') for s in d['stacks']
		if s['name'] == '${1%%/*}' for b in s['backends'] if b['address'] == '${1#*/}'][0]"
}

check_is() {
	local check

	# shellcheck disable=SC2053 # a pattern
	check=$(check_of "$1") && echo "$check" && [[ $check == $2 ]]
}

vip_is_gone() {
	ip -n "$LAB-$1" address del "$VIP4/32" dev lo
	ip -n "$LAB-$1" address del "$VIP6/128" dev lo
}

vip_is_back() {
	ip -n "$LAB-$1" address add "$VIP4/32" dev lo
	ip -n "$LAB-$1" address add "$VIP6/128" dev lo nodad
}

# Backends that go down this often are held down; an order given by hand forgets that.
forgive() {
	steerctl health blue auto >/dev/null
	steerctl health violet auto >/dev/null
}

filters() {
	lab_in edge tc filter show dev lo egress | grep -c 'check_path'
}

rules() {
	{ ip -n "$LAB-edge" rule; ip -n "$LAB-edge" -6 rule; } | grep -c 'fwmark 0x5ee70000'
}

lab_begin check-path
lab_up blue:l2 violet:ipip
lab_steerd
blue=blue/$(lab_ip4 blue1) violet=violet/$(lab_ip6 violet1)

apply_via path
lab_wait 15 "all backends to be up" lab_all_up
expect "blue's check" "$(check_of "$blue")" "through l2 at $VIP4:80"
expect "violet's check" "$(check_of "$violet")" "through ipip at [$VIP6]:80"
lab_note "both modes: checked through the path"

# Tunnels carry the other family where the services have but that, and IPv4 outside as well.
tunnel_routes() {
	echo "stacks:"
	lab_stack_routes violet "$1"
	echo "services: {shop: {vips: [$VIP4], ports: [80], split: {violet: 1}}}"
}
for family in 6 4; do
	tunnel_routes $family >"$LAB_DIR/tunnel.yaml"
	steerctl apply -f "$LAB_DIR/tunnel.yaml" >"$LAB_DIR/applied" || lab_fail "refused"
	lab_wait 15 "all backends to be up" lab_all_up
	expect "the check of 4-in-$family" "$(check_of "violet/$("lab_ip$family" violet1)")" \
		"through ipip at $VIP4:80"
done
lab_note "4-in-6, 4-in-4: checked through the path"
apply_via path
lab_wait 15 "all backends to be up" lab_all_up

# What is left when the backend lives, and its VIP does not.
vip_is_gone blue1
lab_kill violet1.steerd
rm -r "$LAB_PINS-violet1"
for host in "$(lab_ip4 blue1)" "[$(lab_ip6 violet1)]"; do
	lab_in edge curl -fsS -m 2 -o "$LAB_DIR/out" "http://$host/healthz" || lab_fail "$host is gone"
done
lab_wait 5 "blue1 to be down" lab_backend_is "$blue" "(through l2 at $VIP4:80)"
lab_wait 5 "violet1 to be down" lab_backend_is "$violet" "(through ipip at [$VIP6]:80)"
lab_note "path: $(lab_backend_state "$blue")"
lab_note "path: $(lab_backend_state "$violet")"
apply_via direct
lab_wait 5 "all to be up by direct checks" lab_all_up
expect "blue's check" "$(check_of "$blue")" directly
apply_via both
forgive
lab_wait 5 "blue1 to be down" lab_backend_is "$blue" "(through l2 at $VIP4:80)"
expect "violet's check" "$(check_of "$violet")" "through ipip at [$VIP6]:80, and directly"
vip_is_back blue1
lab_decap violet1
lab_wait 5 "all to be up both ways" lab_all_up
forgive
lab_stop_backend blue1
lab_wait 5 "blue1 to be down" lab_backend_is "$blue" "connection refused"
lab_serve blue1
lab_wait 5 "all to be up again" lab_all_up
forgive
ip -n "$LAB-blue1" rule add from "$(lab_ip4 blue1)" blackhole
lab_wait 5 "blue1 to be down directly" lab_backend_is "$blue" "(directly)"
ip -n "$LAB-blue1" rule del from "$(lab_ip4 blue1)" blackhole
lab_wait 5 "all to be up again" lab_all_up
lab_note "both: either way takes a backend out"
[ "${1:-}" != brief ] || exit 0

# A host that would drop the answers asks directly, and says so.
apply_via path
lab_wait 5 "the path" check_is "$blue" "through*"
forgive
ip -n "$LAB-edge" address add "$VIP4/32" dev lo
lab_in edge sh -c 'echo 0 | tee /proc/sys/net/ipv4/conf/*/accept_local' >/dev/null
lab_wait 5 "direct checks with the VIP here" check_is "$blue" "directly: *accept_local*"
expect_in "the log" "$(cat "$LAB_DIR/steerd.log")" \
	"stack blue: health checks go to its backends' own addresses: $VIP4 is this host's own"
expect_in "status" "$(steerctl status)" "l2, checked directly:"
ip -n "$LAB-edge" address del "$VIP4/32" dev lo
lab_wait 5 "the path again" check_is "$blue" "through*"
lab_in edge sh -c 'echo 1 >/proc/sys/net/ipv4/conf/blue1/rp_filter'
lab_wait 5 "direct checks with rp_filter" check_is "$blue" "directly: *rp_filter is 1*"
ip -n "$LAB-edge" route add "$VIP4/32" dev blue1
lab_wait 5 "the path by that route" check_is "$blue" "through*"
ip -n "$LAB-edge" route del "$VIP4/32" dev blue1
lab_in edge sh -c 'echo 0 >/proc/sys/net/ipv4/conf/blue1/rp_filter'
lab_wait 5 "the path again" check_is "$blue" "through*"
forgive
lab_wait 5 "all to be up" lab_all_up
lab_note "checked directly where answers would be dropped, and said so"

# One filter, one rule a family, whatever becomes of the agent, or of them.
expect "filters" "$(filters)" 1
expect "rules" "$(rules)" 2
lab_kill steerd KILL
lab_steerd
expect "filters after a crash" "$(filters)" 1
expect "rules after a crash" "$(rules)" 2
lab_in edge tc qdisc del dev lo clsact
ip -n "$LAB-edge" rule del fwmark 0x5ee70000/0xffff0000
lab_wait 5 "the filter to be back" lab_in edge sh -c 'tc filter show dev lo egress | grep check_path'
lab_wait 5 "the path" check_is "$blue" "through*"
expect "rules put back" "$(rules)" 2
lab_wait 5 "all to be up" lab_all_up
lab_kill steerd TERM
expect "filters after a stop" "$(filters)" 0
expect "rules after a stop" "$(rules)" 0
expect "clsact after a stop" "$(lab_in edge tc qdisc show dev lo | grep -c clsact)" 0
lab_note "filter and rule: one of each while the agent runs, none after it"

# What cannot be opened is done without, said once, and tried again.
lab_spawn other edge /usr/bin/python3 -c '
import socket, time
other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
other.bind("\0steerd-check-path")
print("bound", flush=True)
time.sleep(1000)'
lab_wait 5 "another to have the path" grep bound "$LAB_DIR/other.log"
lab_steerd
lab_wait 15 "all to be up by direct checks" lab_all_up
expect "blue's check" "$(check_of "$blue")" \
	"directly: another steerd in this network namespace has the checks' path"
expect "warnings" "$(grep -c 'own addresses: another steerd' "$LAB_DIR/steerd.log")" 1
expect "filters" "$(filters)" 0
lab_kill other
lab_wait 15 "the path" check_is "$blue" "through*"
expect "filters" "$(filters)" 1
lab_wait 5 "all to be up" lab_all_up
lab_note "a path that somebody else has: done without until it is free"
