# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# The lab that chaos.sh lets things go wrong in: after lab/lib.sh. Three stacks, a meter and a
# switch for faults on each backend's link, and a disk and a controller to lose.

readonly CHAOS_STACKS="blue:l2 green:l2 violet:ipip"
readonly CHAOS_WEIGHTS="blue: 5, green: 3, violet: 2"
readonly CHAOS_FAULT_OBJECT=$LAB_BUILD/tests/chaos/fault.bpf.o

# Checked by the defaults, as a user's would be, unless LAB_INTERVAL says otherwise.
lab_stack_routes() {
	local stack=$1 family=${2:-4} more=

	[ -z "${LAB_INTERVAL:-}" ] ||
		more=", interval: $LAB_INTERVAL, timeout: $LAB_INTERVAL, fall: ${LAB_FALL:-2}"
	cat <<-END
		  $stack:
		    forward: ${LAB_STACK_MODE[$stack]}
		    health: {type: http, port: 80, path: /healthz$more}
		    backends:
		      - {address: "$("lab_ip$family" "${stack}1")"}
		      - {address: "$("lab_ip$family" "${stack}2")"}
	END
}

# chaos_up: namespaces, servers, steerd with routes, and load.
chaos_up() {
	local name

	# shellcheck disable=SC2086
	lab_up $CHAOS_STACKS
	for name in "${LAB_BACKENDS[@]}"; do
		chaos_meter "$name"
	done
	mkdir -p "$LAB_DIR/tiny"
	mount -t tmpfs -o size=256k tmpfs "$LAB_DIR/tiny" || lab_skip "no tmpfs can be mounted"
	lab_node_file
	sed -i "s,state_dir: .*,state_dir: $LAB_DIR/tiny/state," "$LAB_DIR/edge.yaml"
	lab_steerd
	lab_apply "$CHAOS_WEIGHTS"
	chaos_controller
	lab_load_start steady --target "$TARGET4" --target "$TARGET6" --clients 60000 \
		--rate "${CHAOS_RATE:-300}" --held 40 --every 200 --timeout 3000 \
		--stalls "$LAB_DIR/stalls"
	lab_load_start chat --udp --size 64 --target "$TARGET4" --target "$TARGET6" --clients 60000 \
		--rate 30 --timeout 3000
	chaos_keep
}

# What fault.sh needs to find its way.
chaos_keep() {
	declare -p LAB LAB_DIR LAB_PINS LAB_BACKENDS LAB_STACK_MODE LAB_ARM >"$LAB_DIR/lab.env"
	echo "export STEERD_ADDRESS=$STEERD_ADDRESS" >>"$LAB_DIR/lab.env"
}

# On the backend's link: the meter, which also loses, and a detour through a slow wire. The
# detour's end has the link's own address, so that the backend takes what comes out of it.
chaos_meter() {
	local name=$1 pins=$LAB_PINS-chaos/$1

	mkdir -p "$pins"
	bpftool prog load "$CHAOS_FAULT_OBJECT" "$pins/prog" type classifier pinmaps "$pins" ||
		lab_fail "the meter of $name cannot be loaded"
	lab_in "$name" tc qdisc add dev eth0 clsact || lab_fail "no clsact on $name"
	lab_in "$name" tc filter add dev eth0 ingress bpf direct-action object-pinned "$pins/prog" ||
		lab_fail "the meter of $name cannot be attached"
	ip -n "$LAB-$name" -batch - <<-END
		link add detour type veth peer name slow
		link add slower type veth peer name back
		link set back address $(lab_mac "$name")
		link set detour up
		link set slow up
		link set slower up
		link set back up
	END
	lab_in "$name" sh -c 'for name in detour slow slower; do
			echo 1 >/proc/sys/net/ipv6/conf/$name/disable_ipv6
		done'
}

# lab_kill waits for one of this shell's own; these may be others' children.
chaos_signal() {
	local namespace=$1 command=$2 signal=$3 pid

	for pid in $(ip netns pids "$LAB-$namespace"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$command" ] || kill -"$signal" "$pid"
	done
}

chaos_is_gone() {
	local pid

	for pid in $(ip netns pids "$LAB-$1"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$2" ] || return 1
	done
}

chaos_little_endian() {
	local value=$1

	echo $((value & 255)) $((value >> 8 & 255)) $((value >> 16 & 255)) $((value >> 24 & 255))
}

# chaos_set BACKEND LOSE DETOUR: of 2^32 packets; an interface's number.
chaos_set() {
	# shellcheck disable=SC2046
	bpftool map update pinned "$LAB_PINS-chaos/$1/fault" key 0 0 0 0 \
		value $(chaos_little_endian "$2") $(chaos_little_endian "$3")
}

chaos_percent() {
	awk -v percent="$1" 'BEGIN { printf "%.0f", percent / 100 * 4294967295 }'
}

# The counts of all backends: NAME SYNS PACKETS.
chaos_arrivals() {
	local name

	for name in "${LAB_BACKENDS[@]}"; do
		echo "map lookup pinned $LAB_PINS-chaos/$name/counts key 0 0 0 0"
	done | bpftool batch file - |
		awk -F '[:,]' '/"syns"/ { syns = $2 } /"packets"/ { print syns + 0, $2 + 0 }' |
		paste -d ' ' <(printf '%s\n' "${LAB_BACKENDS[@]}") -
}

# Frames that met the XDP program on the edge's link to the clients.
chaos_received() {
	lab_in edge ethtool -S client |
		awk '/rx_queue_[0-9]+_xdp_packets:/ { n += $2 } END { printf "%d", n }'
}

# A controller that holds a stream open, asks what is live, and comes back when steerd does.
chaos_controller() {
	lab_spawn controller edge setsid sh -c 'while :; do
			while sleep 0.5 && echo "{}"; do :; done | "$1" call Sync -
			sleep 0.2
		done' sh "$LAB_BUILD/steerctl"
	echo "${LAB_PIDS[controller]}" >"$LAB_DIR/controller.pid"
}
