#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The guest's only process of ours: prepares the system, runs every test that is in the image, and
# reports on the second serial port, one line each:
#   run NAME | pass NAME | fail NAME why | skip NAME why | insns PROGRAM COUNT | done STATUS
# All that a test prints lies in /logs, which the host reads out of the image afterwards.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root TERM=dumb LC_ALL=C
export BUILD=build
# What an emulated processor bears.
export LAB_RATE=150 LAB_BIG_MB=2 LAB_INTERVAL=1s LAB_PATIENCE=4

readonly RESULTS=/dev/ttyS1
readonly REPOSITORY=/steerd LOGS=/logs
readonly TEST_TIMEOUT_S=${VMTEST_TEST_TIMEOUT_S:-300}
readonly SKIPPED=77 # the exit status of a test that cannot run here; its last line says why

report() {
	echo "$*" >"$RESULTS"
}

prepare() {
	local applet

	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t tmpfs tmpfs /tmp
	mount -t tmpfs tmpfs /run
	mkdir -p /dev/pts /dev/shm /run/netns
	mount -t devpts devpts /dev/pts
	mount -t tmpfs tmpfs /dev/shm
	mount -t bpf bpf /sys/fs/bpf
	mount -t tracefs tracefs /sys/kernel/tracing
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	ln -sf /proc/self/fd /dev/fd
	stty -F "$RESULTS" raw -echo
	# What no package brought along: modprobe finds its modules loaded already.
	for applet in $(busybox --list); do
		type -P "$applet" >/dev/null || ln -s busybox "/usr/bin/$applet"
	done
	ulimit -l unlimited
	ulimit -n 1048576
	echo 1 >/proc/sys/net/core/bpf_jit_enable
	hostname vmtest
	ip link set lo up
}

# run_logged LOG COMMAND ...: its exit status; a test that hangs is ended, with its children.
run_logged() {
	local log=$LOGS/$1 status

	shift
	timeout -k 10 "$TEST_TIMEOUT_S" "$@" >"$log" 2>&1 </dev/null
	status=$?
	[ $status -ne 124 ] || echo "ended after $TEST_TIMEOUT_S s" >>"$log"
	sync
	return $status
}

# The verdict on a whole program or script, with the last thing it said.
report_status() {
	local name=$1 status=$2 last

	last=$(grep -v '^[[:space:]]*$' "$LOGS/$name.log" | tail -n 1 | cut -c -300)
	case $status in
	0) report "pass $name" ;;
	"$SKIPPED") report "skip $name $last" ;;
	*)
		failed=1
		report "fail $name exit status $status: $last"
		;;
	esac
}

count_instructions() {
	local line

	[ -x build/vmtest/verify ] || return 0
	report "run verifier"
	run_logged verifier.log build/vmtest/verify build/bpf/*.bpf.o
	report_status verifier $?
	while read -r line; do
		report "insns $line"
	done < <(grep -E '^[a-zA-Z0-9_]+ [0-9]+$' "$LOGS/verifier.log")
}

# cmocka's own lines, one result each. Its summary repeats the failed ones.
report_cmocka() {
	awk -v program="$1" '
		/^\[       OK \]/ { print "pass", program "." $4 }
		/^\[  SKIPPED \]/ && !seen[$4]++ && $0 !~ /test\(s\)/ {
			print "skip", program "." $4, said
		}
		/^\[  FAILED  \]/ && !seen[$4]++ && $0 !~ /test\(s\)/ {
			print "fail", program "." $4, said
		}
		/^\[ RUN/ { said = "" }
		!/^\[/ && NF { said = $0 }' "$LOGS/$1.log"
}

packet_tests() {
	local program name status results

	for program in build/tests/bpf/*; do
		[ -x "$program" ] && [ -f "$program" ] || continue
		name=$(basename "$program")
		report "run $name"
		run_logged "$name.log" "$program"
		status=$?
		results=$(report_cmocka "$name")
		[ -z "$results" ] || report "$results"
		[ $status -eq 0 ] || failed=1
		# A program that died, or that said nothing, has no line of its own to show it.
		if [ -z "$results" ] || { [ $status -ne 0 ] && ! grep -q '^fail' <<<"$results"; }; then
			report_status "$name" $status
		fi
	done
}

netns_tests() {
	local script arguments name

	while read -r script arguments; do
		[[ -n $script && $script != \#* ]] || continue
		name=$(basename "$script" .sh)${arguments:+-${arguments// /-}}
		report "run $name"
		if [ -x "$script" ]; then
			# shellcheck disable=SC2086 # the list's words are the arguments
			run_logged "$name.log" "$script" $arguments
		else
			echo "$script is not in the image" >"$LOGS/$name.log"
			false
		fi
		report_status "$name" $?
	done <vmtest/netns-tests.txt
}

failed=0
prepare
cd "$REPOSITORY" || exit
report "kernel $(uname -r)"
count_instructions
packet_tests
netns_tests
dmesg >"$LOGS/dmesg.log"
sync
report "done $failed"
sync
poweroff -f -n || echo o >/proc/sysrq-trigger
sleep 60
