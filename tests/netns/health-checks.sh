#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Checks of every type against real servers: nginx with TLS and names, gRPC's own server in the
# clear and with TLS; what each says when it is not well. Backends that get no new flows (weight 0,
# drained) are checked as the others are.
. "$(dirname "$0")/../lab/lib.sh"

lab_begin health-checks
/usr/bin/python3 -c 'import grpc, google.protobuf' 2>/dev/null ||
	lab_skip "python3-grpcio and python3-protobuf are not installed (make deps)"
type -P openssl >/dev/null || lab_skip "openssl is not installed (make deps)"
lab_up blue:l2
readonly ONE=$(lab_ip4 blue1) TWO=$(lab_ip4 blue2)

mkdir -p "$LAB_DIR/rpc" "$LAB_DIR/tls"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=nobody" \
	-keyout "$LAB_DIR/rpc/server.key" -out "$LAB_DIR/rpc/server.pem" 2>/dev/null ||
	lab_fail "no certificate"
echo SERVING >"$LAB_DIR/rpc/shop.v1.Cart"
lab_spawn rpc blue1 /usr/bin/python3 "$LAB_ROOT/tests/netns/health_server.py" \
	"$LAB_BUILD/gen/steerd.protoset" "$LAB_DIR/rpc"

# It knows one name, and ends handshakes for others. Who asks is written down.
{
	lab_nginx_config tls | sed '/^\t*server {/,$d; s/access_log off;//'
	cat <<-END
		access_log $LAB_DIR/tls/access;
		ssl_certificate $LAB_DIR/rpc/server.pem;
		ssl_certificate_key $LAB_DIR/rpc/server.key;
		server { listen 443 ssl default_server; ssl_reject_handshake on; }
		server {
			listen 443 ssl;
			server_name shop.example;
			location = /healthz { return 200 "all is well, \$ssl_session_reused\n"; }
		}
		}
	END
} >"$LAB_DIR/tls/nginx.conf"
lab_spawn tls blue2 nginx -e stderr -p "$LAB_DIR/tls" -c "$LAB_DIR/tls/nginx.conf"

# routes SERVER_NAME GRPC_SERVICE
routes() {
	local pace="interval: 200ms, timeout: 200ms"

	cat <<-END
		stacks:
		  grpc:
		    health: {type: grpc, port: 50051, service: $2, $pace}
		    backends: [{address: $ONE}]
		  grpcs:
		    health: {type: grpc, port: 50052, tls: true, service: $2, $pace}
		    backends: [{address: $ONE}]
		  https:
		    health: {type: http, port: 443, path: /healthz, tls: true, server_name: $1, body: all is well, $pace}
		    backends: [{address: $TWO}]
		  tls:
		    health: {type: tcp, port: 443, tls: true, server_name: $1, $pace}
		    backends: [{address: $TWO}]
		  idle:
		    health: {type: http, port: 80, path: /healthz, $pace}
		    backends: [{address: $ONE, weight: 0}, {address: $TWO}]
		services:
		  shop: {vips: [$VIP4], split: {https: 1, grpc: 1, grpcs: 1, tls: 1, idle: 1}}
	END
}

# change_to SERVER_NAME GRPC_SERVICE
change_to() {
	routes "$@" >"$LAB_DIR/routes.yaml"
	steerctl apply -f "$LAB_DIR/routes.yaml" >/dev/null || lab_fail "refused"
}

# becomes STACK/ADDRESS STATE
becomes() {
	lab_wait 15 "$1 to be $2" lab_backend_is "$@"
}

lab_steerd
change_to shop.example shop.v1.Cart
lab_wait 15 "all backends to be up" lab_all_up

lab_note "since when is not another time each time"
for _ in {1..30}; do
	lab_status
	lab_json "$LAB_DIR/status.json" '[b["since_unix_ms"] for s in d["stacks"] for b in s["backends"]]'
done >"$LAB_DIR/since"
expect "different answers" "$(sort -u "$LAB_DIR/since" | wc -l)" 1

lab_note "gRPC: the service says so itself"
echo NOT_SERVING >"$LAB_DIR/rpc/shop.v1.Cart"
becomes grpc/"$ONE" "health check: it says NOT_SERVING"
becomes grpcs/"$ONE" "health check: it says NOT_SERVING"
echo SERVING >"$LAB_DIR/rpc/shop.v1.Cart"
becomes grpc/"$ONE" up
becomes grpcs/"$ONE" up

lab_note "a service and a name that the server does not have"
change_to other.example shop.v1.Basket
becomes grpc/"$ONE" "health check: no gRPC service 'shop.v1.Basket' there"
becomes grpcs/"$ONE" "health check: no gRPC service 'shop.v1.Basket' there"
becomes https/"$TWO" "health check: TLS: tlsv1 unrecognized name"
becomes tls/"$TWO" "health check: TLS: tlsv1 unrecognized name"
change_to shop.example shop.v1.Cart
lab_wait 15 "all backends to be up" lab_all_up

lab_note "the wrong kind of server"
sed -e 's/port: 443/port: 80/; s/port: 50051/port: 80/; s/port: 50052/port: 443/' \
	"$LAB_DIR/routes.yaml" >"$LAB_DIR/wrong.yaml"
steerctl apply -f "$LAB_DIR/wrong.yaml" >/dev/null || lab_fail "refused"
becomes grpc/"$ONE" "health check: the answer is not HTTP/2"
becomes grpcs/"$ONE" "health check: connection refused"
becomes https/"$TWO" "health check: TLS: wrong version number"
change_to shop.example shop.v1.Cart
lab_wait 15 "all backends to be up" lab_all_up

lab_note "servers that stop, and that are gone"
kill -STOP "${LAB_PIDS[rpc]}"
becomes grpc/"$ONE" "health check: timed out after 200 ms, connected but without a whole answer"
becomes grpcs/"$ONE" "connected but without a TLS handshake"
kill -CONT "${LAB_PIDS[rpc]}"
lab_kill rpc
lab_kill tls
becomes grpc/"$ONE" "health check: connection refused"
becomes https/"$TWO" "health check: connection refused"

lab_note "weight 0, and drained: checked, and said so"
becomes idle/"$ONE" up
steerctl drain "idle/$TWO" --force >/dev/null || lab_fail "drain"
becomes idle/"$TWO" "drained by operator"
lab_stop_backend blue1
lab_stop_backend blue2
becomes idle/"$ONE" "health check: connection refused"
becomes idle/"$TWO" "drained by operator; health check: connection refused"
lab_serve blue1
lab_serve blue2
becomes idle/"$ONE" up
is_drained_and_well() {
	[ "$(lab_backend_state "idle/$TWO")" = "drained by operator" ]
}
lab_wait 15 "the drained one to be well" is_drained_and_well
