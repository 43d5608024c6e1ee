#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# slow_start: a backend that returns gets its share of new flows in ten steps, over a restart of
# the agent too; a stack that comes up whole shares at once; who keeps going down is held down.
. "$(dirname "$0")/../lab/lib.sh"

readonly SLOW_START_S=10

# Both stacks' backends as one stack.
routes() {
	cat <<-END
		stacks:
		  all:
		    health: {type: http, port: 80, path: /healthz, interval: 100ms, timeout: 100ms, rise: 2}
		    slow_start: ${SLOW_START_S}s
		    backends: [$(printf '{address: %s}, ' "$(lab_ip4 blue1)" "$(lab_ip4 blue2)" \
			"$(lab_ip4 green1)" "$(lab_ip4 green2)")]
		services:
		  shop: {vips: [$VIP4, "$VIP6"], ports: [80], split: {all: 1}}
	END
}

# backend_event BACKEND WORDS: when the last event of it with these words was, in Unix seconds.
backend_event() {
	steerctl -o json events | /usr/bin/python3 -c 'import json, sys
events = [json.loads(line) for line in sys.stdin]
print(max(int(e["unix_ms"]) for e in events
	if e.get("backend") == sys.argv[1] and sys.argv[2] in e["message"]) / 1000)' \
		"$(lab_ip4 "$1")" "$2"
}

# ramp_is_judged REQUESTS BACKEND SINCE LENGTH SHARE [FROM]: in each step of the ramp that begins
# after FROM (both Unix times) the backend's share of new flows is that step's part of SHARE, within what chance allows (four
# standard deviations, and what two hashes of so many slots differ by).
ramp_is_judged() {
	/usr/bin/python3 - "$@" <<-'END'
		import math, sys
		name, backend, since, length, share = sys.argv[1:6]
		since, step_s, share = float(since), float(length) / 10, float(share)
		first = math.ceil((float(sys.argv[6]) - since) / step_s) if len(sys.argv) > 6 else 0
		seen, hits, bad = [0] * 11, [0] * 11, 0
		for line in open(name):
		    at, kind, _, _, result, _, _, who = line.split()
		    into = (float(at) - since) / step_s
		    if kind != "new" or result != "ok" or into < first or into >= 11:
		        continue
		    step = int(into)
		    if into - step < 0.05 or into - step > 0.95:
		        continue
		    seen[step] += 1
		    hits[step] += who == backend
		for step in range(first, 11):
		    wanted = share * ((2 * step + 1) / 20 if step < 10 else 1)
		    n = max(1, seen[step])
		    margin = 4 * math.sqrt(wanted * (1 - wanted) / n) + 0.005
		    print(f"step {step}: {hits[step] / n:.4f} of {n} flows, wanted {wanted:.4f}")
		    bad += seen[step] < 100 or abs(hits[step] / n - wanted) > margin
		sys.exit(bool(bad))
	END
}

lab_begin slow-start
lab_up blue:l2 green:l2
lab_steerd
routes >"$LAB_DIR/routes.yaml"
steerctl apply -f "$LAB_DIR/routes.yaml" >/dev/null || lab_fail "the routes were refused"
lab_wait 15 "all backends to be up" lab_all_up

lab_note "a stack that comes up whole shares as if there were no slow start"
expect_in "status" "$(steerctl status)" "slow start: "
lab_load --target "$TARGET4" --clients 500 --rate $((LAB_RATE / 4)) --count 500 \
	--log "$LAB_DIR/cold.requests"
for backend in blue1 blue2 green1 green2; do
	share=$(awk -v b=$backend '$8 == b { n++ } END { print n / NR }' "$LAB_DIR/cold.requests")
	expect_share "$backend's share" "$share" 0.25 500
done
slow_starts_are_over() {
	lab_status && lab_is_equal 0 "$(lab_json "$LAB_DIR/status.json" \
		'sum(int(b.get("slow_start_left_ms", 0)) > 0 for s in d["stacks"] for b in s["backends"])')"
}
lab_wait $((SLOW_START_S + 5)) "the first slow start to be over" slow_starts_are_over

lab_note "one backend is away, and returns: a tenth of its share more each second"
lab_load_start load --target "$TARGET4" --target "$TARGET6" --clients 1000 --rate $((LAB_RATE / 2))
lab_stop_backend green2
lab_wait 10 "green2 to be down" lab_backend_is "all/$(lab_ip4 green2)" "health check: "
lab_serve green2
lab_wait 15 "green2 to be up" lab_all_up
since=$(backend_event green2 "takes new flows, all of its share after 10s")
expect_in "status" "$(steerctl status)" "slow start: "
sleep $((SLOW_START_S + 1)) # which is what the test is about
lab_load_stop load
ramp_is_judged "$LAB_DIR/load.requests" green2 "$since" "$SLOW_START_S" 0.25 ||
	lab_fail "green2's share did not grow in steps"
slow_starts_are_over || lab_fail "a slow start is not over"

lab_note "flows that did not go to the one that returned stayed where they were"
# The same flows before, meanwhile and after: by client and port, through explain.
asked() {
	local port

	for port in $(seq 20000 20059); do
		steerctl -o json explain shop "tcp" "10.64.0.9:$port" "$VIP4:80" | /usr/bin/python3 -c '
import json, sys
d = json.load(sys.stdin)
print(d["backend"], *[s["verdict"] for s in d["stages"] if s["name"] == "balance"])'
	done
}
lab_stop_backend green2
lab_wait 10 "green2 to be down" lab_backend_is "all/$(lab_ip4 green2)" "health check: "
asked >"$LAB_DIR/away"
lab_load_start again --target "$TARGET4" --clients 1000 --rate $((LAB_RATE / 2))
lab_serve green2
lab_wait 15 "green2 to be up" lab_all_up
sleep 2
asked >"$LAB_DIR/halfway"
paste <(cut -d " " -f 1 "$LAB_DIR/away") <(cut -d " " -f 1 "$LAB_DIR/halfway") |
	awk -v to="$(lab_ip4 green2)" '$1 != $2 && $2 != to { print; bad = 1 } END { exit bad }' || lab_fail "flows moved between backends that stayed up"
passed_over=$(grep -c "in the place of $(lab_ip4 green2), which has [2-6][0-9] % of its share" \
	"$LAB_DIR/halfway")
[ "$passed_over" -gt 0 ] || lab_fail "explain does not say who is passed over"
expect "of those, green2's" "$(grep "in the place of" "$LAB_DIR/halfway" |
	grep -c "^$(lab_ip4 green2) ")" 0
expect "in nobody's place while green2 is down" "$(grep -c "in the place of" "$LAB_DIR/away")" 0

lab_note "the agent is killed in the middle: the ramp goes on where it was"
since=$(backend_event green2 "takes new flows, all of its share after 10s")
lab_kill steerd
lab_steerd
restarted=$(date +%s.%N)
left=$(lab_status && lab_json "$LAB_DIR/status.json" \
	'max(int(b.get("slow_start_left_ms", 0)) for s in d["stacks"] for b in s["backends"])')
[ "$left" -gt 0 ] && [ "$left" -lt 8000 ] || lab_fail "the slow start has $left ms left"
lab_wait 15 "the slow start to be over" slow_starts_are_over
sleep 1
lab_load_stop again
ramp_is_judged "$LAB_DIR/again.requests" green2 "$since" "$SLOW_START_S" 0.25 "$restarted" ||
	lab_fail "green2's share did not grow over the restart"
expect "failed requests" "$(lab_failures "$LAB_DIR/again.json")" 0

lab_note "going down again and again: held down, and an operator may end it"
for _ in 1 2 3; do
	lab_stop_backend green1
	lab_wait 10 "green1 to be down" lab_backend_is "all/$(lab_ip4 green1)" "refused"
	lab_serve green1
	lab_wait 15 "green1 to be up" lab_all_up
done
lab_stop_backend green1
lab_wait 10 "green1 to be down" lab_backend_is "all/$(lab_ip4 green1)" "refused"
lab_serve green1
lab_wait 10 "green1 to be held down" lab_backend_is "all/$(lab_ip4 green1)" \
	"more: went down 4 times in"
steerctl health "all/$(lab_ip4 green1)" auto >/dev/null
lab_wait 1 "green1 to be up" lab_all_up
