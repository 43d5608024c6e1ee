#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# forward: local: the edge serves some or all of the clients itself; and what is for no VIP passes
# untouched, as does ICMP to one.
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../lab/checks.sh"

lab_begin local
lab_up blue:l2
ip -n "$LAB-edge" address add $VIP4/32 dev lo
ip -n "$LAB-edge" address add $VIP6/128 dev lo nodad
mkdir -p "$LAB_DIR/edge0/put"
lab_nginx_config edge0 >"$LAB_DIR/edge0/nginx.conf"
lab_spawn edge0.nginx edge nginx -e stderr -p "$LAB_DIR/edge0" -c "$LAB_DIR/edge0/nginx.conf"
lab_spawn edge0.udp edge "$LAB_BUILD/tests/lab/udp_echo" edge edge0 80 $VIP4 $VIP6
lab_steerd
{
	echo "stacks:"
	lab_stack_routes blue
	echo "  edge: {forward: local, backends: [{address: 127.0.0.1}], health: {type: tcp, port: 80, interval: 100ms}}"
	echo "services:"
	echo "  shop: {vips: [$VIP4, \"$VIP6\"], ports: [80], split: {blue: 50, edge: 50}}"
	echo "  chat: {vips: [$VIP4, \"$VIP6\"], protocol: udp, ports: [80], split: {blue: 50, edge: 50}}"
} >"$LAB_DIR/routes.yaml"
steerctl apply -f "$LAB_DIR/routes.yaml" >/dev/null || lab_fail "refused"
lab_wait 15 "all backends to be up" lab_all_up
check_traffic blue edge
check_split 0.5 edge

# echo_request ADDRESS: an ICMP echo from the client, answered within 5 s.
echo_request() {
	lab_in client /usr/bin/python3 -c '
import os, socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(5)
body = os.urandom(8)
total = sum(struct.unpack("!6H", struct.pack("!BBHHH", 8, 0, 0, 1, 1) + body[:4])) + \
    sum(struct.unpack("!2H", body[4:]))
total = (total >> 16) + (total & 0xffff)
check = ~(total + (total >> 16)) & 0xffff
s.sendto(struct.pack("!BBHHH", 8, 0, check, 1, 1) + body, (sys.argv[1], 0))
while not s.recv(100).endswith(body):
    pass' "$1" || lab_fail "no echo from $1"
}

lab_note "other traffic"
before=$(lab_counter not_vip)
echo_request 10.0.0.1
echo_request "$(lab_ip4 blue1)"
lab_in client curl -fsS -m 5 "http://$(lab_ip4 blue1)/healthz" >/dev/null ||
	lab_fail "a request to a backend's own address does not pass"
[ "$(lab_counter not_vip)" -gt "$before" ] || lab_fail "not_vip does not count"
echo_request $VIP4
echo_request $VIP4
[ "$(lab_counter icmp)" -ge 2 ] || lab_fail "icmp does not count"
