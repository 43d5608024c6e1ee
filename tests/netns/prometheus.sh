#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A real Prometheus scrapes steerd, by text and by native histograms, and tells two stacks apart by
# their p99, one of them 30 ms slower; promtool has nothing to say of the page; the alerts of
# tools/prometheus work on it. An OTLP collector gets the same once it is there.
export LAB_ARM=one
. "$(dirname "$0")/../lab/lib.sh"
. "$(dirname "$0")/../accuracy/lib.sh"

readonly DELAY_US=2500 SLOWER_MS=30
readonly TEXT=9090 NATIVE=9091 # ports
readonly MANY=400	       # backends: a page of many pieces

lab_begin prometheus
for tool in openssl prometheus promtool; do
	type -P $tool >/dev/null || lab_skip "$tool is not installed (make deps)"
done

# prometheus_start PORT [OPTION ...]: scrapes every second; until its first scrape has worked.
prometheus_start() {
	local port=$1

	shift
	cat >"$LAB_DIR/prometheus-$port.yaml" <<-END
		global: {scrape_interval: 1s, evaluation_interval: 1s}
		rule_files: [$LAB_ROOT/tools/prometheus/alerts.yaml]
		scrape_configs:
		  - job_name: steerd
		    static_configs: [{targets: ["127.0.0.1:9451"]}]
	END
	lab_spawn "prometheus-$port" edge prometheus --web.listen-address="127.0.0.1:$port" \
		--config.file="$LAB_DIR/prometheus-$port.yaml" \
		--storage.tsdb.path="$LAB_DIR/tsdb-$port" --log.level=warn "$@"
	lab_wait 20 "a scrape by Prometheus at $port" is_above "$port" 0 'up{job="steerd"}'
}

# query PORT EXPRESSION: the values, one a line, behind their stack if they have one.
query() {
	lab_in edge curl -fsS -m 5 -G "http://127.0.0.1:$1/api/v1/query" \
		--data-urlencode "query=$2" >"$LAB_DIR/query.json" || return
	lab_json "$LAB_DIR/query.json" '"\n".join(
		(r["metric"].get("stack", "") + " " + r["value"][1]).strip()
		for r in sorted(d["data"]["result"], key=lambda r: r["metric"].get("stack", "")))'
}

# is_above PORT NUMBER EXPRESSION: of a single value.
is_above() {
	query "$1" "$3" | awk -v than="$2" '{ print; above = $NF > than } END { exit !above }'
}

# between WHAT VALUE LEAST MOST
between() {
	awk -v value="$2" -v least="$3" -v most="$4" 'BEGIN { exit !(value >= least && value <= most) }' ||
		lab_fail "$1 is $2, not $3 to $4"
	lab_note "$1: $2"
}

accuracy_up blue1 green1
accuracy_wire
accuracy_node_file $((2 * MANY))
sed -i "s|^telemetry:.*|telemetry: {sample: 1, otlp: {endpoint: 'unix://$LAB_DIR/otlp.sock', interval: 1s}}|" \
	"$LAB_DIR/edge.yaml"
lab_steerd
accuracy_apply blue1 green1
accuracy_server blue1
accuracy_server green1 --more $((SLOWER_MS * 1000))
prometheus_start $TEXT
prometheus_start $NATIVE --enable-feature=native-histograms

lab_note "20 s of traffic"
accuracy_client traffic --path /5000 --rate 40 --connections 800 --requests 10 \
	--think 20000

lab_note "promtool on the page"
lab_in edge curl -fsS http://127.0.0.1:9451/metrics >"$LAB_DIR/page" || lab_fail "no page"
promtool check metrics <"$LAB_DIR/page" >"$LAB_DIR/said" 2>&1 || lab_fail "$(cat "$LAB_DIR/said")"
expect "what promtool says of the page" "$(cat "$LAB_DIR/said")" ""

accuracy_settled "$LAB_DIR/settled"
# A flow that takes another's place among the samples ends what is measured of it: a few are lost.
requests=$(lab_in edge curl -fsS http://127.0.0.1:9451/metrics |
	awk '/^steerd_requests_total/ { n += $NF } END { print n }')
between "requests measured" "$requests" 7800 8000
for port in $TEXT $NATIVE; do
	lab_wait 10 "a scrape of all by $port" is_above "$port" $((requests - 1)) \
		'sum(steerd_requests_total)'
done
steerctl -o json histogram >"$LAB_DIR/own.json" || lab_fail "no histogram"

# quantile WAY P METRIC STACK: as Prometheus works it out.
quantile() {
	local by="sum by (stack" of=steerd_$3

	[ "$1" = $NATIVE ] || by+=", le" of+=_bucket
	query "$1" "histogram_quantile($2, $by) ($of{service=\"shop\",stack=\"$4\"}))" |
		awk '{ print $2 }'
}

# own PERCENTILE STACK: of the service time, as steerctl has it from the kernel's own buckets, in
# seconds.
own() {
	lab_json "$LAB_DIR/own.json" "[s['latencies']['service']['$1_ns'] / 1e9
		for s in d['series'] if s['stack'] == '$2'][0]"
}

# around WHAT VALUE WANTED FACTOR
around() {
	between "$1" "$2" "$(awk "BEGIN { print $3 / $4 }")" "$(awk "BEGIN { print $3 * $4 }")"
}

# Two bounds to an octave in the text. Natively an eighth of an octave, and a bucket of the kernel
# is in there as a whole.
for percent in 50 99; do
	for stack in blue green; do
		wanted=$(own p$percent $stack)
		around "p$percent of $stack's service time, by text" \
			"$(quantile $TEXT 0.$percent service_time_seconds $stack)" "$wanted" 1.5
		around "p$percent of $stack's service time, natively" \
			"$(quantile $NATIVE 0.$percent service_time_seconds $stack)" "$wanted" 1.17
	done
done
between "how much slower green is, at p50" "$(awk "BEGIN { print \
	$(quantile $NATIVE 0.5 service_time_seconds green) - \
	$(quantile $NATIVE 0.5 service_time_seconds blue) }")" 0.025 0.035
[ "$(query $NATIVE "histogram_quantile(0.99, sum by (stack) (steerd_service_time_seconds))" |
	sort -g -k 2 | awk '{ print $1 }' | xargs)" = "blue green" ] ||
	lab_fail "the p99 of all stacks: $(cat "$LAB_DIR/query.json")"

lab_note "both ways have counted the same, and all of it"
# Each scrapes for itself, and a last byte may show between the two.
counted_alike() {
	lab_is_equal "$(query $NATIVE "sum(histogram_count(steerd_$1_seconds))")" \
		"$(query $TEXT "sum(steerd_$1_seconds_count)")"
}
for metric in connect_latency response_latency service_time last_byte_latency; do
	lab_wait 15 "$metric to be counted alike" counted_alike $metric
done
expect "handshakes" "$(query $TEXT 'sum(steerd_handshakes_total)')" 800
expect "handshakes, by protobuf" "$(query $NATIVE 'sum(steerd_handshakes_total)')" 800
between "connect latencies" "$(query $TEXT 'sum(steerd_connect_latency_seconds_count)')" 795 800
expect "requests" "$(query $TEXT 'sum(steerd_requests_total)')" "$requests"
expect "share of clients wanted, each" "$(query $TEXT 'steerd_split_ratio' | tr '\n' ' ')" \
	"blue 0.5 green 0.5 "

lab_note "the alerts"
lab_in edge curl -fsS "http://127.0.0.1:$TEXT/api/v1/rules" >"$LAB_DIR/rules.json"
expect "rules that cannot be evaluated" "$(lab_json "$LAB_DIR/rules.json" \
	'[r["name"] for g in d["data"]["groups"] for r in g["rules"] if r["health"] != "ok"]')" "[]"
expect "alerts" "$(lab_json "$LAB_DIR/rules.json" \
	'[r["name"] for g in d["data"]["groups"] for r in g["rules"] if r.get("state") == "firing"]')" "[]"
steerctl health green down >/dev/null || lab_fail "health down was refused"
is_pending() {
	lab_in edge curl -fsS "http://127.0.0.1:$TEXT/api/v1/alerts" | grep -q '"alertname":"SteerdBackendDown"'
}
lab_wait 10 "the alert about a backend that is down" is_pending

lab_note "a collector that comes late"
lab_wait 5 "the first failure" is_above $TEXT 0 steerd_otlp_failures_total
lab_spawn collector edge /usr/bin/python3 "$LAB_ROOT/tests/unit/otlp_collector.py" take "$LAB_DIR"
lab_wait 20 "exports to work" grep -q "metrics reach the OTLP collector .* again" "$LAB_DIR/steerd.log"
expect "lines about the collector" "$(grep -c OTLP "$LAB_DIR/steerd.log")" 2
expect "names that the collector got" "$(grep -ao 'steerd_service_time_seconds\|edge' \
	"$LAB_DIR/requests" | sort -u | xargs)" "edge steerd_service_time_seconds"
lab_kill collector

lab_note "families that go on over several pieces"
{
	sed '/^services:/,$d' "$LAB_DIR/routes.yaml"
	echo "  many:"
	echo "    backends:"
	for i in $(seq $MANY); do
		echo "      - {address: 10.1.$((100 + i / 200)).$((1 + i % 200))}"
	done
	sed -n '/^services:/,$p' "$LAB_DIR/routes.yaml"
} >"$LAB_DIR/many.yaml"
steerctl apply -f "$LAB_DIR/many.yaml" >/dev/null || lab_fail "$MANY backends were refused"
for port in $TEXT $NATIVE; do
	for metric in packets_total backend_up taken_over_flows_total; do
		lab_wait 10 "$MANY backends by $port" is_above "$port" $((MANY - 1)) \
			"count(steerd_$metric{stack=\"many\"})"
	done
done

lab_note "scrapes were quick: $(query $TEXT 'max_over_time(scrape_duration_seconds[30s])') s at most"
