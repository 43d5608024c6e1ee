#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The lab with a steady load, to play with; or, with AUTO=1, a run through what steerd promises,
# which prints what it measured and exits 0 only if all of it held. `make demo` calls this.
. "$(dirname "$0")/../../tests/lab/lib.sh"

readonly CLIENTS=1000 # of each family, in a census
readonly CENSUS_RATE=800
LAB_PACE= # the defaults
broken=0
step=0

# ---- What the transcript is made of ----

title() {
	step=$((step + 1))
	printf '\n%d. %s\n' $step "$*"
}

say() {
	printf '   %s\n' "$*"
}

# held WHAT COMMAND ...: a promise, and whether it was kept.
held() {
	local what=$1

	shift
	if "$@"; then
		say "held:   $what"
	else
		say "BROKEN: $what"
		broken=1
	fi
}

# run COMMAND ...: shown with what it prints, as a user would see it.
run() {
	echo "   \$ $*"
	"$@" 2>&1 | sed 's/^/     /'
	return "${PIPESTATUS[0]}"
}

is_below() {
	awk -v value="$1" -v bound="$2" 'BEGIN { exit !(value < bound) }'
}

percent() {
	awk -v share="$1" 'BEGIN { printf "%.1f %%", share * 100 }'
}

# ---- Measuring ----

# census NAME: every client of both families asks once; NAME.census has "family client stack".
census() {
	lab_in client timeout 60 "$LAB_BUILD/tests/lab/load" --sources $CLIENTS4 \
		--sources $CLIENTS6 --target "$TARGET4" --target "$TARGET6" --clients $CLIENTS \
		--rate $CENSUS_RATE --count $((2 * CLIENTS)) --log "$LAB_DIR/$1.requests" \
		>"$LAB_DIR/$1.json"
	awk '$5 == "ok" { print $3, $4, $7 }' "$LAB_DIR/$1.requests" |
		sort >"$LAB_DIR/$1.census"
	held "each of $((2 * CLIENTS)) clients was answered (half IPv4, half IPv6)" \
		test "$(wc -l <"$LAB_DIR/$1.census")" = $((2 * CLIENTS))
}

share_of() {
	awk -v stack="$2" '$3 == stack { n++ } END { print n / NR }' "$LAB_DIR/$1.census"
}

# is_share CENSUS STACK WANTED: within four standard deviations.
is_share() {
	awk -v stack="$2" -v wanted="$3" '$3 == stack { n++ } END {
		share = n / NR
		margin = 4 * sqrt(wanted * (1 - wanted) / NR)
		exit !(share >= wanted - margin && share <= wanted + margin)
	}' "$LAB_DIR/$1.census"
}

held_shares() {
	local census=$1 stack wanted

	shift
	while [ $# -gt 0 ]; do
		stack=${1%=*} wanted=${1#*=}
		held "$stack has $(percent "$(share_of "$census" "$stack")") of the clients; wanted $(percent "$wanted")" \
			is_share "$census" "$stack" "$wanted"
		shift
	done
}

# moved BEFORE AFTER [FROM]: how many clients changed stack (away from FROM).
moved() {
	join -j 1 <(tr ' ' '/' <"$LAB_DIR/$1.census" | sed 's,/, ,2' | sort) \
		<(tr ' ' '/' <"$LAB_DIR/$2.census" | sed 's,/, ,2' | sort) |
		awk -v from="${3:-}" '$2 != $3 && (from == "" || $2 == from) { n++ } END { print n + 0 }'
}

# The steady load's requests from a moment on (unix time), without those under way.
load_since() {
	awk -v since="$1" -v until="${2:-9999999999}" '$1 >= since && $1 < until' \
		"$LAB_DIR/steady.requests"
}

# failed_since TIME [UNTIL]: "FAILED of ALL"
failed_since() {
	load_since "$@" | awk '$5 != "ok" { n++ } END { print n + 0, "of", NR }'
}

is_none() {
	[[ $1 == "0 of "* && $1 != "0 of 0" ]]
}

now() {
	echo "$EPOCHREALTIME"
}

# Long enough for the load to have met what was just done.
watch_load() {
	local until=$((SECONDS + 1 + $1)) lines

	lines=$(wc -l <"$LAB_DIR/steady.requests")
	lab_wait 20 "the load to go on" eval \
		"[ \$SECONDS -ge $until ] && [ \$(wc -l <'$LAB_DIR/steady.requests') -gt $((lines + 100)) ]"
}

# ---- The lab ----

build_lab() {
	lab_begin demo
	echo "Building the lab: clients, an edge, and three stacks of two backends each ..."
	lab_up blue:l2 green:l2 violet:ipip
	lab_steerd
	lab_apply "blue: 95, green: 5, violet: 0"
	lab_load_start steady --target "$TARGET4" --target "$TARGET6" --clients $CLIENTS \
		--rate "${DEMO_RATE:-150}" --held 40 --every 200 --timeout 3000
}

# ---- What it shows ----

show_split() {
	title "The split follows the weights"
	run steerctl split shop blue=70 green=20 violet=10 || broken=1
	census weights
	held_shares weights blue=0.70 green=0.20 violet=0.10
}

show_rollout() {
	local since stayed changed

	title "From 95/5 to 80/20, only the difference moves"
	since=$(now)
	steerctl split shop blue=95 green=5 >/dev/null || broken=1
	census before
	held_shares before blue=0.95 green=0.05
	run steerctl split shop blue=80 green=20 || broken=1
	census after
	held_shares after blue=0.80 green=0.20
	changed=$(moved before after)
	stayed=$(moved before after green)
	say "$changed of $((2 * CLIENTS)) clients changed stack: $(percent "$(awk -v n="$changed" -v of=$((2 * CLIENTS)) 'BEGIN { print n / of }')"), where the weights differ by 15.0 %"
	held "no more moved than that (19 % by chance at most)" is_below "$changed" $((2 * CLIENTS * 19 / 100))
	held "of green's clients $stayed left it" test "$stayed" = 0
	held "failed requests of the steady load meanwhile: $(failed_since "$since")" \
		is_none "$(failed_since "$since")"
}

show_stack_death() {
	local since back last

	title "A stack dies, and its share goes elsewhere"
	run steerctl split shop blue=60 green=20 violet=20 || broken=1
	census alive
	since=$(now)
	say "killing every process of violet (the stack behind ipip)"
	lab_stop_backend violet1
	lab_stop_backend violet2
	watch_load 2
	last=$(load_since "$since" | awk '$5 != "ok" { last = $1 + $6 / 1e6 } END { printf "%.6f", last }')
	say "requests of the steady load that failed: $(failed_since "$since"); the last one ended $(awk -v a="$since" -v b="$last" 'BEGIN { printf "%.0f", (b > 0 ? (b - a) * 1000 : 0) }') ms after the kill"
	held "after 1.5 s none fails: $(failed_since "$(awk -v t="$since" 'BEGIN { printf "%.6f", t + 1.5 }')")" \
		is_none "$(failed_since "$(awk -v t="$since" 'BEGIN { printf "%.6f", t + 1.5 }')")"
	census dead
	held_shares dead blue=0.75 green=0.25 violet=0
	held "clients of blue and green that were moved by it: $(($(moved alive dead blue) + $(moved alive dead green)))" \
		test $(($(moved alive dead blue) + $(moved alive dead green))) = 0
	lab_serve violet1
	lab_serve violet2
	lab_wait 15 "violet to be back" lab_all_up
	census back
	back=$(moved alive back)
	held "violet is back, and $back clients are elsewhere than before it died" test "$back" = 0
}

show_rollback() {
	local since

	title "A rollback"
	since=$(now)
	run steerctl rollback || broken=1
	census rolled
	held "of $((2 * CLIENTS)) clients $(moved after rolled) are elsewhere than under 80/20" \
		test "$(moved after rolled)" = 0
	held "failed requests meanwhile: $(failed_since "$since")" is_none "$(failed_since "$since")"
}

# show_restart SIGNAL HOW
show_restart() {
	local since held

	title "The daemon is $2 and started again, under load"
	since=$(now)
	lab_kill steerd "$1"
	say "steerd is gone; steering goes on in the kernel"
	watch_load 1
	held "failed requests without a daemon: $(failed_since "$since")" is_none "$(failed_since "$since")"
	lab_steerd
	watch_load 1
	lab_wait 15 "all backends to be up" lab_all_up
	held=$(load_since "$since" | awk '$2 == "held" { n[$3 " " $4 " " $8]++ } END { print length(n) }')
	held "failed requests in all: $(failed_since "$since"), $held long-lived connections among them" \
		is_none "$(failed_since "$since")"
	held "the weights stand" is_weight green 20
}

is_weight() {
	lab_status && [ "$(lab_json "$LAB_DIR/status.json" "[h['weight'] for s in d['services']
		if s['name'] == 'shop' for h in s['shares'] if h['stack'] == '$1'][0]")" = "$2" ]
}

show_grpc() {
	local since first

	title "Weights change over gRPC while it flows"
	since=$(now)
	for _ in 1 2 3 4 5; do
		steerctl call SetSplit '{"service": "shop", "split": [{"stack": "blue", "weight": 1}]}' \
			>/dev/null || broken=1
		steerctl call SetSplit '{"service": "shop", "split": [{"stack": "blue", "weight": 4},
			{"stack": "green", "weight": 5}, {"stack": "violet", "weight": 1}]}' >/dev/null || broken=1
	done
	watch_load 1
	run steerctl call SetSplit '{"service": "shop", "split": [{"stack": "green", "weight": 1}]}' >/dev/null
	first=$(now)
	watch_load 1
	say "11 changes; requests of new connections begun after the last one, by stack:$(load_since "$first" |
		awk '$2 == "new" { n[$7]++ } END { for (s in n) printf " %s %d", s, n[s] }')"
	held "all of them are green's" test "$(load_since "$first" | awk '$2 == "new" && $7 != "green"' | wc -l)" = 0
	held "failed requests meanwhile: $(failed_since "$since")" is_none "$(failed_since "$since")"
}

run_through() {
	build_lab
	show_split
	show_rollout
	show_stack_death
	show_rollback
	show_restart KILL "killed (SIGKILL)"
	show_restart TERM "stopped (SIGTERM, as an upgrade does)"
	show_grpc
	lab_load_stop steady
	printf '\nThe steady load in all: %s' "$(cat "$LAB_DIR/steady.json")"
	if [ $broken -ne 0 ]; then
		printf '\n\nNOT ALL OF IT HELD.\n'
		exit 1
	fi
	printf '\n\nAll of it held, in %d s.\n' $SECONDS
}

# ---- The prompt ----

write_prompt() {
	cat >"$LAB_DIR/prompt.bash" <<-PROMPT
		PS1='steer> '
		PATH=$LAB_BUILD:\$PATH
		export STEERD_ADDRESS=$STEERD_ADDRESS
		source <(steerctl completion bash)
		client() { nsenter --net=/run/netns/$LAB-client "\$@"; }
		edge() { nsenter --net=/run/netns/$LAB-edge "\$@"; }
		shares() {
			tail -n 1000 $LAB_DIR/steady.requests | awk '\$5 == "ok" { n[\$7]++ }
				\$5 != "ok" { failed++ }
				END { for (s in n) printf "%-8s %5.1f %%\n", s, n[s] * 100 / NR
				      printf "failed   %5d of the last %d requests\n", failed, NR }'
		}
		kill-in() {
			local pid
			for pid in \$(ip netns pids $LAB-\$1); do
				[ "\$(cat /proc/\$pid/comm)" != "\$2" ] || kill -KILL \$pid
			done
		}
		stop-stack() {
			local name
			for name in \${1:?stop-stack STACK}1 \${1}2; do
				kill-in \$name nginx
			done
		}
		start-stack() {
			local name
			for name in \${1:?start-stack STACK}1 \${1}2; do
				(setsid nsenter --net=/run/netns/$LAB-\$name nginx -e stderr \
					-c $LAB_DIR/\$name/nginx.conf >/dev/null 2>&1 </dev/null &)
			done
		}
		kill-steerd() { kill-in edge steerd; }
		start-steerd() {
			(setsid nsenter --net=/run/netns/$LAB-edge $LAB_BUILD/steerd \
				--config $LAB_DIR/edge.yaml >>$LAB_DIR/steerd.log 2>&1 </dev/null &)
		}
	PROMPT
}

prompt() {
	cat <<-END

		The lab is up, with a steady load on http://$VIP4/ and http://[$VIP6]/. Try:
		  steerctl status                       what goes where
		  steerctl split shop blue=50 green=50  and then: shares
		  steerctl split shop green=100 --dry-run
		  steerctl drain blue                   steerctl health blue auto
		  steerctl explain shop tcp 10.64.0.7:4711 $VIP4:80
		  steerctl rollback                     steerctl events
		  client curl -si http://$VIP4/         one request; edge COMMAND runs on the edge
		  stop-stack violet, start-stack violet, kill-steerd, start-steerd
		  bpftool map dump pinned $LAB_PINS/reasons
		The routes are in $LAB_DIR/routes.yaml. Leaving (exit) takes all of it down.

	END
	bash --noprofile --rcfile "$LAB_DIR/prompt.bash" -i
	echo "Taking the lab down."
	exit 0
}

if [ -n "${AUTO:-}" ] && [ "$AUTO" != 0 ]; then
	run_through
else
	build_lab
	write_prompt
	prompt
fi
