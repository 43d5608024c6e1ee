# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# Stacks of four backends, each behind a gate that notes what comes and lets nothing through when
# told so; faults, and what undoes them. After lab/lib.sh.
#
# A SYN at a gate is a client's if it comes from the clients' range: health checks come from the
# edge, whichever way they take. It is a new connection's if its port and sequence number were not
# seen before.

readonly FAILOVER_PEERS=4 # backends of a stack
FAILOVER_COMMANDS=0
FAILOVER_AT= # of the last command: nanoseconds of CLOCK_MONOTONIC and of CLOCK_REALTIME

# failover_up STACK ...
failover_up() {
	local stack i name gates=()

	lab_namespace edge
	lab_edge
	for stack in "$@"; do
		LAB_STACK_MODE[$stack]=l2
		for ((i = 1; i <= FAILOVER_PEERS; i++)); do
			lab_backend "$stack$i" l2
			# Sockets in TIME_WAIT, of connections that nobody will have again.
			lab_in "$stack$i" sh -c 'echo 4096 >/proc/sys/net/ipv4/tcp_max_tw_buckets'
			gates+=("$stack$i=$LAB-$stack$i:eth0")
		done
	done
	mkfifo "$LAB_DIR/gate.commands"
	lab_spawn gate edge "$LAB_BUILD/tests/failover/gate" "$LAB_DIR/notes" \
		"$LAB_DIR/gate.commands" "${gates[@]}"
	for name in "${LAB_BACKENDS[@]}"; do
		failover_serve "$name"
	done
	for name in "${LAB_BACKENDS[@]}"; do
		lab_wait 10 "$name to serve" lab_answers "$name"
	done
	lab_wait 5 "the gates" grep -q ready "$LAB_DIR/gate.log"
}

# One process, so that one signal is enough.
failover_serve() {
	mkdir -p "$LAB_DIR/$1"
	lab_nginx_config "$1" >"$LAB_DIR/$1/nginx.conf"
	lab_spawn "$1.nginx" "$1" nginx -e stderr -p "$LAB_DIR/$1" -c "$LAB_DIR/$1/nginx.conf"
}

# failover_routes SPLIT [LINE ...]: of the stacks that the split names. Health as by default.
failover_routes() {
	local split=$1 stack name

	shift
	echo "stacks:"
	for stack in "${!LAB_STACK_MODE[@]}"; do
		[[ $split == *"$stack:"* ]] || continue
		echo "  $stack:"
		echo "    health: {type: http, port: 80, path: /healthz}"
		echo "    backends:"
		for name in "${LAB_BACKENDS[@]}"; do
			[ "$(lab_stack_of "$name")" != "$stack" ] ||
				echo "      - {address: $(lab_ip4 "$name")}"
		done
	done
	echo "services:"
	echo "  shop:"
	echo "    vips: [$VIP4]"
	echo "    ports: [80]"
	echo "    split: {$split}"
	[ $# -eq 0 ] || printf '    %s\n' "$@"
}

# failover_apply SPLIT [LINE ...]: and waits until every backend takes flows.
failover_apply() {
	failover_routes "$@" >"$LAB_DIR/routes.yaml"
	steerctl apply -f "$LAB_DIR/routes.yaml" >"$LAB_DIR/applied" ||
		lab_fail "the routes were refused: $(cat "$LAB_DIR/applied")"
	lab_wait 15 "all backends to be up" failover_all_up
}

# As lab_all_up, but cheap: load goes on meanwhile.
failover_all_up() {
	lab_in edge curl -fsS -m 2 http://127.0.0.1:9451/metrics | awk '
		/^steerd_backend_up/ { if ($NF == 1) up++; else print }
		END { exit !up }' >"$LAB_DIR/down" && [ ! -s "$LAB_DIR/down" ]
}

# failover_command VERB ARGUMENT ...: to the gates (gate.c); FAILOVER_AT is when.
failover_command() {
	local id=$BASHPID-$((++FAILOVER_COMMANDS)) answer # also in a subshell

	echo "$id $*" >"$LAB_DIR/gate.commands"
	lab_wait 5 "the gates to answer" grep -q "^$id " "$LAB_DIR/gate.log"
	answer=$(grep "^$id " "$LAB_DIR/gate.log")
	[[ $answer != *failed* ]] || lab_fail "the gates: '$*' $answer"
	FAILOVER_AT=${answer#* }
}

failover_pids() {
	local name

	for name in "$@"; do
		echo "${LAB_PIDS[$name.nginx]}"
	done | xargs
}

# failover_break killed|stopped|gone|loss BACKEND ...: all of them at once.
failover_break() {
	local kind=$1

	shift
	case $kind in
	killed) failover_command signal 9 $(failover_pids "$@") ;;
	stopped) failover_command signal 19 $(failover_pids "$@") ;;
	gone) failover_command lose 256 "$@" ;;
	loss) failover_command lose 64 "$@" ;;
	esac
}

failover_mend() {
	local kind=$1 name

	shift
	case $kind in
	killed)
		failover_command look
		for name in "$@"; do
			lab_wait 5 "the end of $name" lab_is_gone "$name.nginx"
			failover_serve "$name"
		done
		;;
	stopped) failover_command signal 18 $(failover_pids "$@") ;;
	gone | loss) failover_command lose 0 "$@" ;;
	esac
}

# failover_sent BACKEND SINCE: new connections of clients that came to its gate since then, a
# monotonic time.
failover_sent() {
	awk -v backend="$1" -v since="$2" '
		$2 == backend && $3 ~ /^10\.64\./ && !seen[$3, $4, $5]++ && $1 > since { n++ }
		END { print n + 0 }' "$LAB_DIR/notes"
}

# ---- For short tests: one fault under a small load ----

# failover_begin NAME SPLIT: the lab of the split's stacks, and the load.
failover_begin() {
	lab_begin "$1"
	failover_up $(tr -cd 'a-z ' <<<"$2")
	lab_steerd
	failover_apply "$2"
	lab_load_start steady --target "$TARGET4" --clients 200 --rate $((LAB_RATE / 4)) --timeout 3000
	lab_wait 20 "connections to every backend" failover_are_used 0 "${LAB_BACKENDS[@]}"
}

# failover_are_used SINCE BACKEND ...: each was sent a new connection since then.
failover_are_used() {
	local since=$1 name

	shift
	for name in "$@"; do
		[ "$(failover_sent "$name" "$since")" -gt 0 ] || return
	done
}

# As many requests again as LAB_RATE has in a quarter of a second, answered or not.
failover_go_on() {
	local lines

	lines=$(wc -l <"$LAB_DIR/steady.requests")
	lab_wait 30 "the load to go on" eval \
		"[ \$(wc -l <'$LAB_DIR/steady.requests') -gt $((lines + LAB_RATE / 4)) ]"
}

# failover_lost SINCE [UNTIL]: results of requests that began then and did not go well. Seconds of
# the epoch.
failover_lost() {
	awk -v since="$1" -v until="${2:-1e12}" '$5 != "ok" && $1 > since && $1 < until {
			n[$5]++
		}
		END { for (result in n) print result, n[result] }' "$LAB_DIR/steady.requests" | xargs
}

# The last command's time, as the load's log has times.
failover_at_s() {
	local real=${FAILOVER_AT#* }

	echo "${real:0:-9}.${real: -9:6}"
}

failover_is_out() {
	local state

	state=$(lab_backend_state "$(lab_stack_of "$1")/$(lab_ip4 "$1")") && echo "$state" &&
		[[ $state =~ $2 ]]
}

# failover_take_out KIND WHY RESULTS BACKEND ...: steerd says WHY (a pattern) of each, none is sent
# anything after that, and what clients lose is nothing but requests of before, by RESULTS (a
# pattern).
failover_take_out() {
	local kind=$1 why=$2 results=$3 name began out

	shift 3
	failover_break "$kind" "$@"
	began=$(failover_at_s)
	for name in "$@"; do
		lab_wait 10 "$name to be out" failover_is_out "$name" "$why"
		lab_note "$name is out: $(cat "$LAB_DIR/wait")"
	done
	failover_command look
	out=$FAILOVER_AT
	failover_go_on
	failover_command look
	for name in "$@"; do
		expect "new connections sent to $name when it was out" "$(failover_sent "$name" "${out% *}")" 0
	done
	FAILOVER_AT=$out
	expect "requests lost that began when it was out" "$(failover_lost "$(failover_at_s)")" ""
	[[ " $(failover_lost "$began")" =~ ^(\ ($results)\ [0-9]+)*\ ?$ ]] ||
		lab_fail "what clients lost is $(failover_lost "$began"), not only $results"
}

# failover_bring_back KIND BACKEND ...: new connections go there again, and are answered.
failover_bring_back() {
	local kind=$1 back

	shift
	failover_mend "$kind" "$@"
	lab_wait 20 "all backends to be up" failover_all_up
	failover_command look
	back=$FAILOVER_AT
	lab_wait 20 "connections to every backend" failover_are_used "${back% *}" "$@"
	failover_go_on
	FAILOVER_AT=$back
	expect "requests lost after it was back" "$(failover_lost "$(failover_at_s)")" ""
	lab_load_stop steady
}
