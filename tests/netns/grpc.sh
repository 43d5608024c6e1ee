#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The gRPC API from another language, knowing only what reflection says: over the unix socket, and
# over TCP with mutual TLS.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin grpc
/usr/bin/python3 -c 'import grpc, google.protobuf' 2>/dev/null ||
	lab_skip "python3-grpcio and python3-protobuf are not installed (make deps)"
type -P openssl >/dev/null || lab_skip "openssl is not installed (make deps)"
lab_up blue:l2 green:l2

# certificate NAME CA ISSUED-FOR
certificate() {
	openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$LAB_DIR/$1.key" \
		-out "$LAB_DIR/$1.csr" 2>/dev/null
	printf 'subjectAltName=DNS:%s,IP:127.0.0.1\n' "$1" >"$LAB_DIR/$1.ext"
	openssl x509 -req -days 2 -in "$LAB_DIR/$1.csr" -CA "$LAB_DIR/$2.pem" \
		-CAkey "$LAB_DIR/$2.key" -CAcreateserial -extfile "$LAB_DIR/$1.ext" \
		-out "$LAB_DIR/$1.pem" 2>/dev/null || lab_fail "no certificate for $1"
}
for ca in ca other-ca; do
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$ca" \
		-keyout "$LAB_DIR/$ca.key" -out "$LAB_DIR/$ca.pem" 2>/dev/null || lab_fail "no CA"
done
certificate server ca
certificate client ca
certificate other other-ca

lab_node_file
sed -i "s|^  unix:.*|&\\n  tcp: {address: \"127.0.0.1:9450\", cert: $LAB_DIR/server.pem, key: $LAB_DIR/server.key, client_ca: $LAB_DIR/ca.pem}|" \
	"$LAB_DIR/edge.yaml"
lab_steerd
lab_apply "blue: 95, green: 5"
client() { # ADDRESS [restarted]
	lab_in edge timeout 60 /usr/bin/python3 "$LAB_ROOT/tests/netns/grpc_client.py" \
		"$LAB_BUILD/gen/steerd.protoset" "$1" "$LAB_DIR" "${@:2}" ||
		lab_fail "the client on $*"
}
client "unix:$LAB_DIR/edge.sock"
client 127.0.0.1:9450
lab_kill steerd
lab_steerd
client "unix:$LAB_DIR/edge.sock" restarted
lab_load --target "$TARGET4" --target "$TARGET6" --clients 200 --rate $((LAB_RATE / 2)) --count 400
expect "failed requests after all that" "$(lab_failures "$LAB_DIR/load.json")" 0
