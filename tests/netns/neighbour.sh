#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Next hops are the kernel's: a backend that changes its MAC address is followed, one that has no
# neighbour is down with that reason, and so is one whose link or route goes away.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin neighbour
lab_up blue:l2
lab_steerd
lab_apply "blue: 1"
address1=$(lab_ip4 blue1) address2=$(lab_ip4 blue2)

lab_note "a new MAC address under load"
lab_load_start steady --target "$TARGET4" --target "$TARGET6" --clients 200 --rate 100 \
	--timeout 4000
ip -n "$LAB-blue1" link set eth0 down
ip -n "$LAB-blue1" link set eth0 address 02:00:00:00:77:01
ip -n "$LAB-blue1" link set eth0 up
# Taking the link down took its routes and its IPv6 addresses along.
ip -n "$LAB-blue1" address add "$(lab_ip6 blue1)/64" dev eth0 nodad
ip -n "$LAB-blue1" route replace default via 10.1.1.1
ip -n "$LAB-blue1" route replace default via 2001:db8:1:1::1

next_hop_is() {
	lab_status && lab_json "$LAB_DIR/status.json" "[b.get('next_hop') for s in d['stacks']
		for b in s['backends'] if b['address'] == '$1'][0]" | grep -F "$2"
}
lab_wait 20 "the new MAC address in status" next_hop_is "$address1" "02:00:00:00:77:01"
lab_wait 20 "blue1 to be up" lab_backend_is "blue/$address1" up
lines=$(wc -l <"$LAB_DIR/steady.requests")
lab_wait 20 "answers from blue1" eval \
	"tail -n +$lines '$LAB_DIR/steady.requests' | awk '\$5 == \"ok\" && \$8 == \"blue1\"' | grep -q ."
lab_load_stop steady
lab_load --target "$TARGET4" --target "$TARGET6" --clients 200 --rate $((LAB_RATE / 2)) --count 400
expect "failed requests after the change" "$(lab_failures "$LAB_DIR/load.json")" 0

lab_note "a backend that nobody answers for"
{
	echo "stacks:"
	echo "  blue:"
	echo "    backends: [{address: $address2}, {address: 10.1.1.77}]"
	echo "services:"
	echo "  shop: {vips: [$VIP4], ports: [80], split: {blue: 1}}"
} >"$LAB_DIR/absent.yaml"
steerctl apply -f "$LAB_DIR/absent.yaml" >/dev/null || lab_fail "refused"
lab_wait 20 "10.1.1.77 to be unresolved" lab_backend_is "blue/10.1.1.77" \
	"no next hop: 10.1.1.77 does not answer on blue1"
lab_load --target "$TARGET4" --clients 200 --rate $((LAB_RATE / 2)) --count 200
expect "failed requests beside an absent backend" "$(lab_failures "$LAB_DIR/load.json")" 0

lab_note "it appears"
ip -n "$LAB-blue1" address add 10.1.1.77/24 dev eth0
lab_wait 20 "10.1.1.77 to be up" lab_backend_is "blue/10.1.1.77" up

lab_note "the link goes down, and comes back"
ip -n "$LAB-edge" link set blue2 down
lab_wait 20 "$address2 to be unresolved" lab_backend_is "blue/$address2" "no next hop: "
lab_load --target "$TARGET4" --clients 200 --rate $((LAB_RATE / 2)) --count 200
expect "failed requests with one link down" "$(lab_failures "$LAB_DIR/load.json")" 0
ip -n "$LAB-edge" link set blue2 up
lab_wait 20 "$address2 to be up" lab_backend_is "blue/$address2" up
