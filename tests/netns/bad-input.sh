#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Bad input leaves the live routes as they were and says what is wrong, where, and what to do.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin bad-input
lab_up blue:l2 green:l2
lab_steerd
lab_apply "blue: 95, green: 5"
live=$(steerctl status --routes)
version() {
	lab_status && lab_json "$LAB_DIR/status.json" "d['version']"
}
live_version=$(version)

untouched() {
	[ "$(steerctl status --routes)" = "$live" ] || lab_fail "$1 changed the live routes"
	expect "version after $1" "$(version)" "$live_version"
}

# refused WHAT PART <ROUTES: by steerctl apply, whatever command line it is given.
refused() {
	cat >"$LAB_DIR/bad.yaml"
	expect_refused "$2" steerctl apply -f "$LAB_DIR/bad.yaml"
	untouched "$1"
	lab_note "$1: $(head -n 1 <<<"$LAB_OUTPUT" | sed "s,$LAB_DIR/,,g")"
}

blue='stacks: {blue: {backends: [{address: 10.1.1.2}]}}'
shop="vips: [$VIP4], ports: [80]"

refused "an unknown key" "did you mean 'backends'" <<<"stacks: {blue: {bakends: []}}"
refused "an unknown key at the top" "stack" <<<"stakcs: {}"
refused "a key of a later version" "not supported yet" <<-END
	$blue
	services: {shop: {$shop, split: {blue: 1}, shed: {new_flows: 1}}}
END
refused "a failover list with a stack that is not there" "failover of service 'shop'" <<-END
	$blue
	services: {shop: {$shop, split: {blue: 1}, failover: [bleu]}}
END
refused "an undefined stack" "did you mean 'blue'" <<-END
	$blue
	services: {shop: {$shop, split: {bleu: 1}}}
END
refused "a VIP and port given twice" "both have VIP $VIP4 with tcp port 80" <<-END
	$blue
	services:
	  shop: {$shop, split: {blue: 1}}
	  shop2: {vips: [$VIP4], ports: [443, 80], split: {blue: 1}}
END
refused "weights that are all zero" "shop" <<-END
	$blue
	services: {shop: {$shop, split: {blue: 0}}}
END
refused "an address of the wrong family for the mode" "ipip carries no IPv6 over IPv4" <<-END
	stacks: {blue: {forward: ipip, backends: [{address: 10.1.1.2}]}}
	services: {shop: {vips: ["$VIP6"], ports: [80], split: {blue: 1}}}
END
refused "a document that is not YAML" "bad.yaml:" <<<"stacks: {blue"
refused "text where a number should be" "'blue' is 'many'; it must be a whole number" <<-END
	$blue
	services: {shop: {$shop, split: {blue: many}}}
END
{
	echo "stacks:"
	for i in $(seq 1 300); do
		echo "  s$i: {backends: [{address: 10.2.$((i / 200)).$((i % 200 + 1))}]}"
	done
} | refused "more stacks than the limit" "limits.stacks is 64"
refused "two errors in one document" "2" <<-END
	stacks: {blue: {backends: [{address: 10.1.1.2}, {address: nonsense}]}, Green: {}}
	services: {shop: {$shop, split: {blue: 1}}}
END

lab_note "commands about what is not there"
expect_refused "shop" steerctl split shopp blue=1
expect_refused "blue" steerctl split shop bleu=1
expect_refused "gren" steerctl health gren down
expect_refused "stack 'blue' has no backend 10.9.9.9" steerctl drain blue/10.9.9.9
untouched "a command about nothing"

lab_note "truncated and hostile messages"
curl_grpc() { # BYTES (as printf escapes), to Apply, over the unix socket
	# shellcheck disable=SC2059
	printf "$1" | curl -sS -m 10 --http2-prior-knowledge --unix-socket "$LAB_DIR/edge.sock" \
		-H 'content-type: application/grpc' -H 'te: trailers' --data-binary @- -D - -o /dev/null \
		http://steerd/steerd.v1.AgentService/Apply
}
answer=$(curl_grpc '\0\0\0\0\4\x0a\xff\xff\x7f')
expect_in "the answer to a truncated message" "$answer" "grpc-status: 3"
# Field 1 of field 1 of field 1 …: as deep as a message may be large.
answer=$(curl_grpc "\\0\\0\\0\\x75\\x30$(/usr/bin/python3 -c '
body = b""
while len(body) < 29990:
    n, size = len(body), b""
    while True:
        size += bytes([n & 127 | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            break
    body = b"\x0a" + size + body
body = body[:30000].ljust(30000, b"\0")
print("".join("\\x%02x" % b for b in body))')")
grep -q "grpc-status: [1-9]" <<<"$answer" || lab_fail "a nested message is answered: $answer"
curl_grpc '\0\xff\xff\xff\xff' >/dev/null # a length that nothing follows
untouched "a hostile message"

# steerd must refuse to start, and must not disturb the one that runs.
refused_start() { # WHAT PART FILE
	local out status

	out=$(lab_in edge timeout 20 "$LAB_BUILD/steerd" --config "$3" 2>&1)
	status=$?
	expect "exit status of steerd with $1 (which said: $out)" $status 1
	expect_in "steerd with $1" "$out" "$2"
	untouched "$1"
	lab_note "$1: $(grep -F -m 1 -- "$2" <<<"$out" | sed "s,$LAB_DIR/,,g")"
}

second_config() { # SED SCRIPT: of a node file for another steerd, into second.yaml
	sed -e "s,$LAB_DIR/edge.sock,$LAB_DIR/second.sock,; s,:9451,:9452,
		s,pin_dir: .*,pin_dir: $LAB_PINS-second,
		s,state_dir: .*,state_dir: $LAB_DIR/second.state,; $1" "$LAB_DIR/edge.yaml" \
		>"$LAB_DIR/second.yaml"
}

second_config "s,pin_dir: .*,pin_dir: $LAB_PINS,"
refused_start "a second steerd on the same pins" "$LAB_PINS" "$LAB_DIR/second.yaml"
second_config "s,interfaces: .*,interfaces: [nowhere0],"
refused_start "an interface that is gone" "interface nowhere0" "$LAB_DIR/second.yaml"
second_config "s,interfaces:,interfases:,"
refused_start "an unknown key in the node file" "did you mean 'interfaces'" "$LAB_DIR/second.yaml"
# An interface of its own, or it would fail over that.
second_config "s,interfaces: .*,interfaces: [blue1],"
cat >>"$LAB_DIR/second.yaml" <<-END
	xdp: {mode: generic}
END
sed -i "s|^  unix:.*|&\n  tcp: {address: \"127.0.0.1:9453\", cert: $LAB_DIR/no.pem, key: $LAB_DIR/no.pem, client_ca: $LAB_DIR/no.pem}|" \
	"$LAB_DIR/second.yaml"
refused_start "an unreadable certificate" "no.pem" "$LAB_DIR/second.yaml"
[ ! -e "$LAB_PINS-second/link_blue1" ] ||
	lab_fail "a steerd that refused its certificate is left attached to blue1"
echo "not a certificate" >"$LAB_DIR/no.pem"
refused_start "a certificate that is none" "no.pem" "$LAB_DIR/second.yaml"
# steerd reads it as root, but without the right to override permissions.
chown nobody "$LAB_DIR/no.pem" && chmod 600 "$LAB_DIR/no.pem"
refused_start "a certificate of another user's" "no.pem: Permission denied" "$LAB_DIR/second.yaml"

lab_load --target "$TARGET4" --target "$TARGET6" --clients 200 --rate $((LAB_RATE / 2)) --count 400
expect "failed requests after all that" "$(lab_failures "$LAB_DIR/load.json")" 0

lab_note "an interface that goes away, and comes back"
ip -n "$LAB-edge" link del client
gone() {
	steerctl events | grep -F "client is gone"
}
lab_wait 10 "the event about the interface" gone
untouched "an interface that goes away"
lab_link client eth0 edge client
lab_pass client eth0
ip -n "$LAB-client" -batch - <<-END
	address add 10.0.0.2/24 dev eth0
	route add default via 10.0.0.1
END
ip -n "$LAB-edge" -batch - <<-END
	address add 10.0.0.1/24 dev client
	route add $CLIENTS4/16 via 10.0.0.2
END
lab_wait 10 "the VIP to answer" lab_get 4
