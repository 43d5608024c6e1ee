# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# The lab's namespaces, their links, and what runs on the backends. See lib.sh for the picture.

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

# A backend's link: wide enough for an outer header where it gets tunnels. Its answers go further
# than that link, and keep to what the clients' takes.
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
		route add default via $gateway4 mtu 1500
		route add default via $gateway6 mtu 1500
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
