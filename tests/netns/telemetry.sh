#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Two stacks, one of them 30 ms slower, are told apart within 10 s of traffic, by direct return and
# over a wire with a delay; what was measured stays over a restart of steerd, and begins anew, under
# another epoch, with new maps.
export LAB_ARM=one
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../accuracy/lib.sh"

readonly DELAY_US=2500 SLOWER_MS=30

lab_begin telemetry
type -P openssl >/dev/null || lab_skip "openssl is not installed (make deps)"
accuracy_up blue1 green1
accuracy_wire
lab_steerd # with the sampling it comes with
accuracy_apply blue1 green1
accuracy_server blue1
accuracy_server green1 --more $((SLOWER_MS * 1000))

# Each stack has a series of its own, and the last ACK of these flows comes with their FIN.
lab_note "flows that end well"
accuracy_client good --path /2000 --rate 100 --connections 200 --requests 2
accuracy_settled "$LAB_DIR/good.telemetry"
expect "requests, by stack" "$(lab_json "$LAB_DIR/good.telemetry" \
	'sorted(s["stack"] for s in d["series"] for c in s["errors"] if c["name"] == "requests")')" \
	"['blue', 'green']"
responses=$(lab_json "$LAB_DIR/good.telemetry" \
	'sum(int(l["count"]) for s in d["series"] for l in s["latencies"]
		if l["kind"] == "LATENCY_KIND_RESPONSE")')
# A flow that takes another's place among the samples ends what is measured of it.
[ "$responses" -ge 390 ] && [ "$responses" -le 400 ] ||
	lab_fail "of 400 requests $responses responses were measured"
expect "abandoned requests" "$(lab_json "$LAB_DIR/good.telemetry" \
	'sum(int(c["value"]) for s in d["series"] for c in s["errors"] if c["name"] == "abandoned")')" 0
expect "events about abandoned requests" "$(steerctl events | grep -c "while its request waited")" 0

# of KIND EXPRESSION: a comparison `c` of the two stacks, as Python says it.
of() {
	lab_json "$LAB_DIR/compared.json" \
		"[$2 for c in d['comparisons'] if c['kind'] == '$1'][0]"
}

lab_note "10 s of traffic"
lab_spawn traffic client "$LAB_BUILD/tests/accuracy/client" --target $VIP4 --sources $CLIENTS4 \
	--clients $ACCURACY_CLIENTS --path /5000 --rate 40 --connections 2000 --requests 10 \
	--think 20000 --log "$LAB_DIR/traffic.log.client"
steerctl -o json histogram --compare blue,green --for 10s >"$LAB_DIR/compared.json" ||
	lab_fail "no comparison"
lab_kill traffic TERM
lab_note "$(of service 'c["verdict"]')"
expect "service times told apart" "$(of service 'c["told_apart"]')" True
expect "p50 told apart" "$(of service 'c["quantiles"][0]["told_apart"]')" True
for kind in service response; do
	expect "$kind: how much slower green is, $SLOWER_MS ms" "$(of $kind \
		"abs(c['quantiles'][0]['difference_ns'] / 1e6 - $SLOWER_MS) < 4")" True
done
expect "connect: both alike" "$(of connect "abs(c['quantiles'][0]['difference_ns']) < 1e6")" True
expect "blue's own p50 near 5 ms" "$(of service \
	"abs(c['quantiles'][0]['ns'][0] / 1e6 - 5) < 1")" True

epoch() {
	accuracy_telemetry "$1" && lab_json "$1" 'd["epoch"]'
}

# samples FILE: of service times, in all.
samples() {
	lab_json "$1" 'sum(int(l["count"]) for s in d["series"] for l in s["latencies"]
		if l["kind"] == "LATENCY_KIND_SERVICE")'
}

lab_note "a restart of steerd"
accuracy_settled "$LAB_DIR/before"
before=$(epoch "$LAB_DIR/before")
[ "$(samples "$LAB_DIR/before")" -gt 500 ] || lab_fail "hardly anything was measured"
lab_kill steerd KILL
lab_steerd
expect "the epoch after a restart" "$(epoch "$LAB_DIR/after")" "$before"
expect "samples after a restart" "$(samples "$LAB_DIR/after")" "$(samples "$LAB_DIR/before")"

lab_note "new maps"
lab_kill steerd KILL
rm -rf "$LAB_PINS"
lab_steerd
lab_wait 15 "all backends to be up" lab_all_up
[ "$(epoch "$LAB_DIR/anew")" != "$before" ] || lab_fail "new maps have the old epoch"
expect "series in new maps" "$(lab_json "$LAB_DIR/anew" 'len(d.get("series", []))')" 0
