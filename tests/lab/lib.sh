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
LAB_ARM=${LAB_ARM:-two} # how many legs the edge stands on
LAB_RATE=${LAB_RATE:-800} # requests a second of a census; less where the machine is slow
LAB_OUTPUT=

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
	local status=$? pid name pids=()

	trap - EXIT
	trap '' INT TERM HUP
	# What the sanitizers found is a failure, wherever it was found.
	if [ $status -eq 0 ] &&
		grep -lE 'ERROR: (Address|Leak)Sanitizer|runtime error:' "$LAB_DIR"/*.log 2>/dev/null; then
		status=1
	fi
	# Beyond 128 it was told to stop.
	[ $status -eq 0 ] || [ $status -eq $LAB_SKIPPED ] || [ $status -gt 128 ] || lab_show_logs
	# By namespace, so that what the demo's prompt started ends too.
	for name in "${LAB_NAMESPACES[@]}"; do
		for pid in $(ip netns pids "$name" 2>/dev/null); do
			kill -KILL "$pid" 2>/dev/null && pids+=("$pid")
		done
		ip netns del "$name" 2>/dev/null
	done
	for pid in "${pids[@]}"; do
		timeout 5 tail -f /dev/null --pid="$pid" -s 0.05 2>/dev/null
	done
	rm -rf "$LAB_PINS" "$LAB_PINS"-*
	umount "$LAB_DIR"/tiny 2>/dev/null
	rm -rf "$LAB_DIR"
	exit $status
}

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

# lab_wait SECONDS WHAT COMMAND ...: until the command succeeds. LAB_PATIENCE times as long where
# the machine is slow.
lab_wait() {
	local seconds=$1 what=$2 deadline

	shift 2
	deadline=$((SECONDS + seconds * ${LAB_PATIENCE:-1} + 1))
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

. "$LAB_ROOT/tests/lab/topology.sh"
. "$LAB_ROOT/tests/lab/agent.sh"
. "$LAB_ROOT/tests/lab/traffic.sh"
