#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh [unit|bpf|netns ...]: runs every test of these kinds (default: all) that was built into
# $BUILD, prints what failed or was skipped and why, and "N passed, N failed, N skipped" at the
# very end. Of a program of unit or packet tests (built, or tests/unit/test_*.py) each of its tests
# counts; a namespace test is a script and counts once. Exit status 0 when nothing failed.
#
# JOBS: namespace tests side by side (default 2). LOGS: a folder to keep the output in.
set -u
cd "$(dirname "$0")/.." || exit
export BUILD=${BUILD:-build}
BUILD=$(cd "$BUILD" && pwd) || exit
readonly TEST_TIMEOUT_S=${TEST_TIMEOUT_S:-300} SKIPPED=77
passed=0 failed=0 skipped=0
work=$(mktemp -d)
logs=${LOGS:-$work}
mkdir -p "$logs"
trap 'rm -rf "$work"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM

# The last thing said that is not only a ruler or empty.
last_words() {
	grep -v '^[[:space:]]*$' "$1" | tail -n 1 | cut -c -300
}

# cmocka's own lines, one a test: "pass NAME", "fail NAME", "skip NAME". Its summary repeats some.
cmocka_results() {
	awk '/^\[       OK \] / && $4 !~ /^[0-9]+$/ { print "pass", $4 }
		/^\[  FAILED  \] / && $0 !~ /test\(s\)/ && !seen[$4]++ { print "fail", $4 }
		/^\[  SKIPPED \] / && $0 !~ /test\(s\)/ && !seen[$4]++ { print "skip", $4, said }
		/^\[ RUN/ { said = "" }
		!/^\[/ && NF { said = $0 }' "$1"
}

count_results() {
	local program=$1 verdict test why

	while read -r verdict test why; do
		case $verdict in
		pass) passed=$((passed + 1)) ;;
		fail)
			failed=$((failed + 1))
			echo "FAILED   $program.$test"
			;;
		skip)
			skipped=$((skipped + 1))
			echo "skipped  $program.$test: ${why:-it does not say why}"
			;;
		esac
	done
}

# A program that died, or that said nothing, has no line of its own to show for it.
run_program() {
	local program=$1 name log status before=$failed

	name=$(basename "$program")
	log=$logs/$name.log
	timeout -k 10 "$TEST_TIMEOUT_S" "$program" >"$log" 2>&1 </dev/null
	status=$?
	cmocka_results "$log" >"$work/results"
	count_results "$name" <"$work/results"
	if [ $status -ne 0 ] && [ $failed -eq $before ] || ! [ -s "$work/results" ]; then
		failed=$((failed + 1))
		echo "FAILED   $name: exit status $status: $(last_words "$log")"
	fi
	[ $failed -eq $before ] || tail -n 40 "$log"
}

run_programs() {
	local program

	for program in "$BUILD/tests/$1"/test_* "tests/$1"/test_*.py; do
		[ -x "$program" ] && [ -f "$program" ] || continue
		run_program "$program"
	done
}

run_script() {
	local script=$1 name=$2

	timeout -k 20 "$TEST_TIMEOUT_S" "$script" >"$logs/$name.log" 2>&1 </dev/null
	echo $? >"$work/$name.status"
}

judge_script() {
	local name=$1 log=$logs/$1.log status

	status=$(cat "$work/$name.status")
	case $status in
	0)
		passed=$((passed + 1))
		echo "passed   $name"
		;;
	"$SKIPPED")
		skipped=$((skipped + 1))
		echo "skipped  $name: $(last_words "$log")"
		;;
	*)
		failed=$((failed + 1))
		echo "FAILED   $name: exit status $status"
		tail -n 60 "$log"
		;;
	esac
}

run_scripts() {
	local script running=0

	for script in tests/netns/*.sh; do
		if [ $running -ge "${JOBS:-2}" ]; then
			wait -n
			running=$((running - 1))
		fi
		run_script "$script" "$(basename "$script" .sh)" &
		running=$((running + 1))
	done
	wait
	for script in tests/netns/*.sh; do
		judge_script "$(basename "$script" .sh)"
	done
}

for kind in ${*:-unit bpf netns}; do
	case $kind in
	unit | bpf) run_programs "$kind" ;;
	netns) run_scripts ;;
	*)
		echo "run.sh knows unit, bpf and netns, not '$kind'" >&2
		exit 2
		;;
	esac
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
