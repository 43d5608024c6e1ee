# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# The lab: namespaces with clients, an edge that runs steerd, and stacks of backends that run
# nginx. Sourced by the tests in tests/netns and by the demo.
#
#   client                      edge                           blue1, green2, violet1, …
#   10.0.0.2         eth0 ── client  10.0.0.1
#   2001:db8:f::2                    2001:db8:f::1
#   on lo: 10.64/16                  10.1.I.1         blue1 ── eth0  10.1.I.2
#   2001:db8:64::/64                 2001:db8:1:I::1                 2001:db8:1:I::2
#                                                                    on lo: the VIPs
#
# Backends answer directly: from the VIP, through the edge's own routing. LAB_ARM=one instead puts
# all of them and the clients on one switch, in 10.1/16 and 2001:db8:1::/48.
#
# Names end with this process's number, so that labs run side by side. All of it goes away when
# the script ends, however it ends.

set -uo pipefail

LAB_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB_BUILD=$(cd "$LAB_ROOT" && cd "${BUILD:-build}" 2>/dev/null && pwd) || {
	echo "there is nothing in ${BUILD:-build}: run make first"
	exit 1
}
readonly LAB_ROOT LAB_BUILD
readonly LAB_SKIPPED=77 # exit status of a test that cannot run here
readonly VIP4=203.0.113.10 VIP6=2001:db8::10
readonly CLIENTS4=10.64.0.0 CLIENTS6=2001:db8:64::
readonly TARGET4=$VIP4:80 TARGET6="[$VIP6]:80"

declare -A LAB_PIDS=()     # by the name given to lab_spawn
declare -A LAB_STACK_MODE=() # l2 or ipip, by stack
LAB_NAMESPACES=()
LAB_BACKENDS=() # blue1 blue2 green1 …: their position is the I of the picture
LAB_ARM=${LAB_ARM:-two}
LAB_OUTPUT=

# ---- Beginning and end ----

lab_skip() {
	echo "skipped: $*"
	exit $LAB_SKIPPED
}

lab_fail() {
	echo "FAILED: $*" >&2
	exit 1
}

lab_note() {
	echo "-- $*"
}

# lab_begin NAME: the folder, the trap, and whether this machine can do it at all.
lab_begin() {
	local tool

	LAB=$1-$$
	[ "$(id -u)" = 0 ] || lab_skip "needs root"
	for tool in ip nsenter ethtool nginx curl bpftool; do
		type -P "$tool" >/dev/null || lab_skip "$tool is not installed (make deps)"
	done
	# Here, and not in /dev/shm or the repository: nginx's folders must be its own.
	LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/$LAB.XXXXXX") || exit 1
	LAB_PINS=/sys/fs/bpf/$LAB
	trap lab_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	ip netns add "$LAB-probe" 2>"$LAB_DIR/probe" || lab_skip "no namespaces: $(cat "$LAB_DIR/probe")"
	LAB_NAMESPACES+=("$LAB-probe")
	mkdir -p "$LAB_DIR/files"
	export STEERD_ADDRESS=$LAB_DIR/edge.sock
}

lab_show_logs() {
	local log

	for log in "$LAB_DIR"/*.log; do
		[ -s "$log" ] || continue
		echo "---- ${log##*/}"
		tail -n 25 "$log"
	done
} >&2

lab_end() {
	local status=$? pid name

	trap - EXIT
	trap '' INT TERM HUP
	# What the sanitizers found is a failure, wherever it was found.
	if [ $status -eq 0 ] &&
		grep -lE 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$LAB_DIR"/*.log 2>/dev/null; then
		status=1
	fi
	[ $status -eq 0 ] || [ $status -eq $LAB_SKIPPED ] || lab_show_logs
	# By namespace, so that what the demo's prompt started ends too.
	for name in "${LAB_NAMESPACES[@]}"; do
		for pid in $(ip netns pids "$name" 2>/dev/null); do
			kill -KILL "$pid" 2>/dev/null
		done
		ip netns del "$name" 2>/dev/null
	done
	rm -rf "$LAB_PINS" "$LAB_PINS"-*
	umount "$LAB_DIR"/tiny 2>/dev/null
	rm -rf "$LAB_DIR"
	exit $status
}

# ---- Small tools ----

# lab_in NAMESPACE COMMAND ...: pins stay visible, unlike under `ip netns exec`.
lab_in() {
	local namespace=$LAB-$1

	shift
	nsenter --net="/run/netns/$namespace" "$@"
}

# lab_spawn NAME NAMESPACE COMMAND ...: in the background, its output in $LAB_DIR/NAME.log.
lab_spawn() {
	local name=$1 namespace=$LAB-$2

	shift 2
	(exec nsenter --net="/run/netns/$namespace" "$@") >>"$LAB_DIR/$name.log" 2>&1 </dev/null &
	LAB_PIDS[$name]=$!
	disown
}

lab_is_running() {
	kill -0 "${LAB_PIDS[$1]:-0}" 2>/dev/null && [ -n "${LAB_PIDS[$1]:-}" ]
}

# lab_kill NAME [SIGNAL]: and waits until it is gone.
lab_kill() {
	kill -"${2:-KILL}" "${LAB_PIDS[$1]}" 2>/dev/null
	lab_wait 10 "the end of $1" lab_is_gone "$1"
	unset "LAB_PIDS[$1]"
}

lab_is_gone() {
	! lab_is_running "$1"
}

# lab_wait SECONDS WHAT COMMAND ...: until the command succeeds.
lab_wait() {
	local seconds=$1 what=$2 deadline

	shift 2
	deadline=$((SECONDS + seconds + 1))
	until "$@" >"$LAB_DIR/wait" 2>&1; do
		[ $SECONDS -lt $deadline ] ||
			lab_fail "waited $seconds s for $what: $(tail -n 3 "$LAB_DIR/wait")"
		sleep 0.05
	done
}

lab_is_equal() {
	[ "$1" = "$2" ]
}

# expect WHAT ACTUAL WANTED
expect() {
	[ "$2" = "$3" ] || lab_fail "$1 is '$2', not '$3'"
}

# expect_in WHAT TEXT PART
expect_in() {
	[[ $2 == *"$3"* ]] || lab_fail "$1 does not say '$3', but: $2"
}

# expect_refused PART COMMAND ...: exit status 1, and the words on standard error.
expect_refused() {
	local part=$1 status

	shift
	LAB_OUTPUT=$("$@" 2>&1 >/dev/null)
	status=$?
	expect "exit status of '$*' (which said: $LAB_OUTPUT)" $status 1
	expect_in "'$*'" "$LAB_OUTPUT" "$part"
}

# lab_json FILE EXPRESSION: of a JSON document `d`, as Python says it.
lab_json() {
	/usr/bin/python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(eval("(" + sys.argv[2] + ")"))' "$1" "$2"
}

# ---- Namespaces ----

lab_namespace() {
	ip netns add "$LAB-$1" || exit 1
	LAB_NAMESPACES+=("$LAB-$1")
	lab_in "$1" sh -c '
		cd /proc/sys/net
		for key in all default; do
			echo 0 >ipv4/conf/$key/rp_filter
			echo 1 >ipv4/conf/$key/accept_local # where the edge has the VIP too
			echo 1 >ipv4/conf/$key/arp_ignore
			echo 2 >ipv4/conf/$key/arp_announce
			echo 0 >ipv6/conf/$key/disable_ipv6
			echo 0 >ipv6/conf/$key/accept_dad
			echo 0 >ipv6/conf/$key/accept_ra
		done
		echo 1 >ipv6/conf/all/forwarding
		echo 1 >ipv4/ip_forward
		echo "1024 65535" >ipv4/ip_local_port_range
		echo 1 >ipv4/tcp_tw_reuse
		echo 4096 >core/somaxconn'
	ip -n "$LAB-$1" link set lo up
}

# lab_link NAMESPACE DEVICE NAMESPACE DEVICE [MTU]: senders compute real checksums of real frames.
lab_link() {
	local mtu=${5:-1500}

	ip link add "$2" mtu "$mtu" netns "$LAB-$1" type veth peer name "$4" mtu "$mtu" \
		netns "$LAB-$3" || exit 1
	lab_in "$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null
	lab_in "$3" ethtool -K "$4" tx off tso off gso off gro off >/dev/null
	ip -n "$LAB-$1" link set "$2" up
	ip -n "$LAB-$3" link set "$4" up
}

# For the far end of a link that steerd sends out of.
lab_pass() {
	ip -n "$LAB-$1" link set dev "$2" xdpdrv obj "$LAB_BUILD/tests/lab/pass.bpf.o" sec xdp ||
		exit 1
}

lab_position() {
	local i

	for i in "${!LAB_BACKENDS[@]}"; do
		[ "${LAB_BACKENDS[i]}" != "$1" ] || echo $((i + 1))
	done
}

lab_stack_of() {
	echo "${1%[0-9]*}"
}

lab_ip4() {
	echo "10.1.$(lab_position "$1").2"
}

lab_ip6() {
	echo "2001:db8:1:$(lab_position "$1")::2"
}

lab_client() {
	local switch=${1:-} address4=10.0.0.2/24 address6=2001:db8:f::2/64 via4=10.0.0.1 via6=2001:db8:f::1

	lab_namespace client
	if [ "$LAB_ARM" = one ]; then
		address4=10.1.0.2/16 address6=2001:db8:1::2/48 via4=10.1.0.1 via6=2001:db8:1::1
		lab_link client eth0 "$switch" client 1500
	else
		lab_link client eth0 edge client 1500
	fi
	lab_pass client eth0
	ip -n "$LAB-client" -batch - <<-END
		address add $address4 dev eth0
		address add $address6 dev eth0 nodad
		route add local $CLIENTS4/16 dev lo
		route add local $CLIENTS6/64 dev lo
		route add default via $via4
		route add default via $via6
	END
}

lab_edge() {
	if [ "$LAB_ARM" = one ]; then
		lab_namespace switch
		ip -n "$LAB-switch" link add bridge type bridge
		ip -n "$LAB-switch" link set bridge mtu 1600 up
		lab_link edge eth0 switch edge 1600
		lab_pass switch edge
		ip -n "$LAB-switch" link set edge master bridge
		ip -n "$LAB-edge" -batch - <<-END
			address add 10.1.0.1/16 dev eth0
			address add 2001:db8:1::1/48 dev eth0 nodad
			route add $CLIENTS4/16 via 10.1.0.2
			route add $CLIENTS6/64 via 2001:db8:1::2
		END
		lab_client switch
		ip -n "$LAB-switch" link set client master bridge
		return
	fi
	lab_client
	ip -n "$LAB-edge" -batch - <<-END
		address add 10.0.0.1/24 dev client
		address add 2001:db8:f::1/64 dev client nodad
		route add $CLIENTS4/16 via 10.0.0.2
		route add $CLIENTS6/64 via 2001:db8:f::2
	END
}

# sysfs is the host's own here, so that pins stay visible.
lab_mac() {
	ip -n "$LAB-$1" -o link show eth0 | sed 's/.*link\/ether \([0-9a-f:]*\).*/\1/'
}

# A backend's link: wide enough for an outer header where it gets tunnels.
lab_backend() {
	local name=$1 mode=$2 mtu=1500 i plen4=24 plen6=64 gateway4 gateway6

	LAB_BACKENDS+=("$name")
	i=$(lab_position "$name")
	[ "$mode" != ipip ] || mtu=${LAB_TUNNEL_MTU:-1600}
	lab_namespace "$name"
	gateway4=10.1.$i.1 gateway6=2001:db8:1:$i::1
	if [ "$LAB_ARM" = one ]; then
		plen4=16 plen6=48 gateway4=10.1.0.2 gateway6=2001:db8:1::2
		lab_link "$name" eth0 switch "$name" "$mtu"
		ip -n "$LAB-switch" link set "$name" master bridge
	else
		lab_link "$name" eth0 edge "$name" "$mtu"
		ip -n "$LAB-edge" -batch - <<-END
			address add $gateway4/24 dev $name
			address add $gateway6/64 dev $name nodad
		END
	fi
	[ "$mode" = ipip ] || lab_pass "$name" eth0
	ip -n "$LAB-$name" -batch - <<-END
		address add 10.1.$i.2/$plen4 dev eth0
		address add 2001:db8:1:$i::2/$plen6 dev eth0 nodad
		address add $VIP4/32 dev lo
		address add $VIP6/128 dev lo nodad
		route add default via $gateway4 ${LAB_BACKEND_ADVMSS:+advmss $LAB_BACKEND_ADVMSS}
		route add default via $gateway6 ${LAB_BACKEND_ADVMSS:+advmss $LAB_BACKEND_ADVMSS}
	END
}

# lab_up STACK:MODE ...: everything but steerd, with two backends a stack.
lab_up() {
	local stack mode spec

	lab_namespace edge
	lab_edge
	for spec in "$@"; do
		stack=${spec%:*} mode=${spec#*:}
		LAB_STACK_MODE[$stack]=$mode
		lab_backend "${stack}1" "$mode"
		lab_backend "${stack}2" "$mode"
	done
	for spec in "${LAB_BACKENDS[@]}"; do
		lab_serve "$spec"
		[ "${LAB_STACK_MODE[$(lab_stack_of "$spec")]}" != ipip ] || lab_decap "$spec"
	done
	for spec in "${LAB_BACKENDS[@]}"; do
		lab_wait 10 "$spec to serve" lab_answers "$spec"
	done
}

# ---- Backends ----

lab_answers() {
	lab_in edge curl -fsS -m 2 -o /dev/null "http://$(lab_ip4 "$1")/healthz" &&
		lab_in edge curl -fsS -m 2 -o /dev/null "http://[$(lab_ip6 "$1")]/healthz"
}

# Says which stack and backend it is, gives out $LAB_DIR/files, and keeps what is put to it.
lab_nginx_config() {
	local name=$1 home=$LAB_DIR/$1

	cat <<-END
		daemon off;
		master_process off;
		user root;
		pid $home/pid;
		error_log stderr error;
		worker_rlimit_nofile 65536;
		events { worker_connections 8192; }
		http {
			access_log off;
			client_body_temp_path $home/body;
			proxy_temp_path $home/proxy;
			fastcgi_temp_path $home/fastcgi;
			uwsgi_temp_path $home/uwsgi;
			scgi_temp_path $home/scgi;
			client_max_body_size 100m;
			keepalive_timeout 600s;
			keepalive_requests 10000000;
			default_type text/plain;
			server {
				listen 80 backlog=4096;
				listen [::]:80 backlog=4096;
				add_header X-Stack $(lab_stack_of "$name") always;
				add_header X-Backend $name always;
				location = / { return 200 "$(lab_stack_of "$name") $name\n"; }
				location = /healthz { return 200 "ok\n"; }
				location /files/ { alias $LAB_DIR/files/; }
				location /put/ { alias $home/put/; dav_methods PUT; }
			}
		}
	END
}

# lab_serve BACKEND: starts, or starts again, its HTTP and UDP servers (both port 80).
lab_serve() {
	local name=$1 home=$LAB_DIR/$1

	mkdir -p "$home/put"
	lab_nginx_config "$name" >"$home/nginx.conf"
	lab_spawn "$name.nginx" "$name" nginx -e stderr -p "$home" -c "$home/nginx.conf"
	lab_spawn "$name.udp" "$name" "$LAB_BUILD/tests/lab/udp_echo" "$(lab_stack_of "$name")" \
		"$name" 80 "$VIP4" "$VIP6"
}

# lab_stop_backend BACKEND: at once, as a crash would.
lab_stop_backend() {
	lab_kill "$1.nginx"
	lab_kill "$1.udp"
}

# A backend has no tunnel device: steerd takes the outer header off.
lab_decap() {
	local name=$1

	cat >"$LAB_DIR/$name.yaml" <<-END
		node: $name
		decap:
		  interfaces: [eth0]
		  sources: [10.1.0.0/16, "2001:db8:1::/48"]
		listen: {unix: $LAB_DIR/$name.sock}
		http: 127.0.0.1:9451
		pin_dir: $LAB_PINS-$name
		state_dir: $LAB_DIR/$name.state
	END
	lab_spawn "$name.steerd" "$name" "$LAB_BUILD/steerd" --config "$LAB_DIR/$name.yaml"
	lab_wait 15 "the decapsulator on $name" lab_in "$name" \
		curl -fsS -m 2 http://127.0.0.1:9451/readyz
}

# ---- The edge's steerd ----

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
lab_stack_routes() {
	local stack=$1 family=${2:-4}

	cat <<-END
		  $stack:
		    forward: ${LAB_STACK_MODE[$stack]}
		    health: {type: http, port: 80, path: /healthz, interval: ${LAB_INTERVAL:-100ms}, timeout: ${LAB_INTERVAL:-100ms}, fall: ${LAB_FALL:-3}, rise: 2}
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

# ---- Traffic ----

# lab_get FAMILY [PATH]: over a new connection, from the client's own address.
lab_get() {
	local host=$VIP4

	[ "$1" = 4 ] || host="[$VIP6]"
	lab_in client curl -fsS -m "${LAB_GET_TIMEOUT:-5}" "http://$host${2:-/}"
}

# lab_load OPTIONS ...: to its end; the summary is in $LAB_DIR/load.json.
lab_load() {
	lab_in client timeout -k 5 120 "$LAB_BUILD/tests/lab/load" --sources "$CLIENTS4" \
		--sources "$CLIENTS6" "$@" >"$LAB_DIR/load.json" || lab_fail "the load generator failed"
}

# lab_load_start NAME OPTIONS ...: until lab_load_stop NAME; log and summary: NAME.requests, NAME.json.
lab_load_start() {
	local name=$1

	shift
	lab_spawn "$name" client sh -c 'out=$1; shift; exec "$@" >"$out"' sh "$LAB_DIR/$name.json" \
		"$LAB_BUILD/tests/lab/load" --sources "$CLIENTS4" --sources "$CLIENTS6" \
		--log "$LAB_DIR/$name.requests" "$@"
	lab_wait 10 "the load to begin" test -s "$LAB_DIR/$name.requests"
}

lab_load_stop() {
	lab_kill "$1" TERM
	[ -s "$LAB_DIR/$1.json" ] || lab_fail "the load '$1' left no summary"
}

# lab_failures FILE: how many requests of a summary were not answered well.
lab_failures() {
	lab_json "$1" 'sum(v for k in ("new", "held") for r, v in d[k].items()
		if r not in ("requests", "ok"))'
}

# lab_share FILE STACK: of the clients in a summary, those whose last answer came from it.
lab_share() {
	lab_json "$1" "d['stacks'].get('$2', {}).get('clients', 0) /
		max(1, sum(s['clients'] for s in d['stacks'].values()))"
}

# expect_share WHAT SHARE WANTED CLIENTS: within what chance allows (four standard deviations).
expect_share() {
	awk -v share="$2" -v wanted="$3" -v n="$4" 'BEGIN {
		margin = 4 * sqrt(wanted * (1 - wanted) / n)
		exit !(share >= wanted - margin && share <= wanted + margin)
	}' || lab_fail "$1 is $2; wanted $3 within chance of $4 clients"
}

# Checksums that were wrong on arrival: the sign that a rewritten packet was not finished well.
lab_checksum_errors() {
	local name

	for name in client "${LAB_BACKENDS[@]}"; do
		lab_in "$name" cat /proc/net/snmp
	done | awk '/^Tcp: [0-9]/ { n += $NF } END { print n + 0 }'
}
