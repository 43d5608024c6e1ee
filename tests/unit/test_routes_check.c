/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a routes document may say: one case for each rule, and the words it is refused with. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/routes_check.h"
#include "common/routes_yaml.h"
#include "common/util.h"

static const struct routes_limits ample = {
	.services = 100, .stacks = 100, .backends = 100, .vip_keys = 100};

static struct routes *parse(const char *text)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	struct routes *routes = NULL;

	if (routes_yaml_parse(text, strlen(text), &routes, &problems))
		fail_msg("%s", problems.n ? problems.items[0].message : "no problem is named");
	return routes;
}

#define BLUE   "stacks:\n  blue: {backends: [{address: 10.1.0.11}]}\n"
#define GREEN  "  green: {backends: [{address: 10.2.0.11}]}\n"
#define SHOP   "services:\n  shop: {vips: [203.0.113.10], ports: [80], split: {blue: 1}}\n"
#define NAME31 "abcdefghijklmnopqrstuvwxyz01234"
#define STACK_HEALTH(health)                                                                       \
	"stacks:\n  blue:\n    backends: [{address: 10.1.0.11}]\n    health: {" health "}\n"

static const char *const accepted[] = {
	"",
	BLUE,
	BLUE SHOP,
	/* Names of every allowed character and length. */
	"stacks: {" NAME31 ": {}, a: {}, 0.b_c-d: {}}\n",
	/* One VIP: other ports, another protocol, and every port beside specific ones. */
	BLUE SHOP "  store: {vips: [203.0.113.10], ports: [81], split: {blue: 1}}\n"
		  "  dns: {vips: [203.0.113.10], protocol: udp, ports: [80], split: {blue: 1}}\n"
		  "  rest: {vips: [203.0.113.10], ports: [], split: {blue: 1}}\n",
	/* Weight 0: no share of the traffic, so no backends are needed. */
	BLUE "  green: {}\n"
	     "services:\n  shop: {vips: [203.0.113.10], split: {blue: 1, green: 0}}\n",
	/* A backend's weight at both ends, a split's likewise. */
	"stacks:\n  blue: {backends: [{address: 10.1.0.11, weight: 0}, {address: 10.1.0.12, "
	"weight: "
	"65535}]}\n"
	"services:\n  shop: {vips: [203.0.113.10], split: {blue: 1000000}}\n",
	/* l2: any family. ipip: 4-in-4, 6-in-6, 4-in-6. */
	BLUE "services:\n  shop: {vips: ['2001:db8::10'], split: {blue: 1}}\n",
	"stacks:\n  blue: {backends: [{address: '2001:db8:1::11'}]}\n"
	"services:\n  shop: {vips: [203.0.113.10], split: {blue: 1}}\n",
	"stacks:\n  blue: {forward: ipip, backends: [{address: 10.1.0.11}]}\n"
	"services:\n  shop: {vips: [203.0.113.10], split: {blue: 1}}\n",
	"stacks:\n  blue: {forward: ipip, backends: [{address: '2001:db8:1::11'}]}\n"
	"services:\n  shop: {vips: [203.0.113.10, '2001:db8::10'], split: {blue: 1}}\n",
	/* A slow start at both ends. */
	"stacks: {blue: {slow_start: 1s}, green: {slow_start: 1h}}\n",
	/* A local stack: alone, or with an address to check. */
	"stacks:\n  blue: {forward: local}\n"
	"services:\n  shop: {vips: [203.0.113.10, '2001:db8::10'], split: {blue: 1}}\n",
	"stacks:\n  blue: {forward: local, health: {type: tcp, port: 80}, backends: [{address: "
	"127.0.0.1}]}\n"
	"services:\n  shop: {vips: [203.0.113.10], split: {blue: 1}}\n",
	/* In l2 a backend holds the VIP, and an address may stand in several stacks. */
	"stacks:\n  blue: {backends: [{address: 203.0.113.10}]}\n"
	"  green: {forward: ipip, backends: [{address: 10.1.0.11}]}\n"
	"  red: {backends: [{address: 10.1.0.11}]}\n" SHOP,
	/* Health at its bounds. */
	STACK_HEALTH("type: tcp, port: 65535, interval: 20ms, timeout: 20ms, fall: 1, rise: 100"),
	STACK_HEALTH("type: http, port: 1, interval: 1h, timeout: 1ms, path: '/~!?a=%20&b'"),
	STACK_HEALTH("type: none, port: 80, path: x, interval: 2h, status: 9, host: '', body: ''"),
	STACK_HEALTH("type: http, port: 1, status: 200-599, host: '[2001:db8::1]:80', body: ' '"),
	STACK_HEALTH("type: http, port: 1, status: 418"),
	STACK_HEALTH("type: http, port: 1, tls: true, server_name: a-b_c.example"),
	STACK_HEALTH("type: tcp, port: 1, tls: true"),
	STACK_HEALTH("type: grpc, port: 1, tls: true, service: a.v1.B, host: 'a.example:80'"),
	STACK_HEALTH("type: grpc, port: 1, tls: false"),
	/* Sixteen stacks in a split. */
	"stacks: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}, h: {}, i: {}, j: {}, k: {}, l: "
	"{}, "
	"m: {}, n: {}, o: {}, p: {forward: local}}\n"
	"services:\n  shop: {vips: [203.0.113.10], split: {a: 0, b: 0, c: 0, d: 0, e: 0, f: 0, g: "
	"0, "
	"h: 0, i: 0, j: 0, k: 0, l: 0, m: 0, n: 0, o: 0, p: 1}}\n",
	/* Failover: to stacks of the split, with a weight or without, and to others. */
	BLUE GREEN
	"services:\n  shop: {vips: [203.0.113.10], split: {blue: 95, green: 5}, failover: "
	"[green]}\n",
	BLUE GREEN "services:\n  shop: {vips: [203.0.113.10], split: {blue: 1}, failover: [green, "
		   "blue], panic: 0%}\n",
	BLUE GREEN
	"services:\n  shop: {vips: [203.0.113.10], split: {blue: 1}, failover: [], panic: "
	"100%}\n",
	/* Weights move without the list: a rollout's end must not make it wrong. */
	BLUE GREEN "services:\n  shop: {vips: [203.0.113.10], split: {green: 1}, failover: "
		   "[green]}\n",
};

static void what_makes_sense_is_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(accepted); i++) {
		CLEANUP_ROUTES struct routes *routes = parse(accepted[i]);
		CLEANUP_PROBLEMS struct problems problems = {0};

		if (routes_check(routes, &ample, &problems))
			fail_msg("for\n%s\nsaid: %s", accepted[i], problems.items[0].message);
	}
}

static const struct refusal {
	const char *text;
	const char *expect; /* all that is said */
} refusals[] = {
	{"stacks:\n  Blue: {}\n",
	 "routes.yaml:2: stack name 'Blue' is not valid; use 1 to 31 of a-z 0-9 . _ -\n"},
	{"stacks:\n  " NAME31 "5: {}\n",
	 "routes.yaml:2: stack name '" NAME31 "5' is not valid; use 1 to 31 of a-z 0-9 . _ -\n"},
	{"stacks:\n  '': {}\n", "routes.yaml:2: stack name '' is not valid; use 1 to 31 of a-z 0-9 "
				". _ -\n"},
	{BLUE "services:\n  a b: {vips: [203.0.113.10], split: {blue: 1}}\n",
	 "routes.yaml:4: service name 'a b' is not valid; use 1 to 31 of a-z 0-9 . _ -\n"},
	{"stacks:\n  blue: {labels: {'': x}}\n",
	 "routes.yaml:2: label '' of stack 'blue': a label's name is 1 to 63 bytes of printable "
	 "text\n"},
	{"stacks:\n  blue: {labels: {a: \"x\\ny\"}}\n",
	 "routes.yaml:2: value of label 'a' of stack 'blue' must be up to 255 bytes of printable "
	 "text\n"},
	{"fleet_key: \"a\\nb\"\n",
	 "fleet_key: fleet_key has control characters or is no UTF-8; use plain text\n"},
	/* Stacks */
	{"stacks:\n  blue:\n    backends:\n    - {address: 10.1.0.11}\n    - {address: 10.1.0.12}\n"
	 "    - {address: 10.1.0.11, weight: 1}\n",
	 "routes.yaml:6: stack 'blue' has backend 10.1.0.11 twice; remove one; the first is on "
	 "line "
	 "4\n"},
	{"stacks:\n  blue:\n    backends: [{address: 0.0.0.0}]\n",
	 "routes.yaml:3: backend 0.0.0.0 of stack 'blue' is unspecified; write an address that "
	 "packets can be sent to\n"},
	{"stacks:\n  blue:\n    backends: [{address: 127.0.0.1}]\n",
	 "routes.yaml:3: backend 127.0.0.1 of stack 'blue' is loopback; write an address that "
	 "packets can be sent to\n"},
	{"stacks:\n  blue:\n    backends: [{address: 'ff02::1'}]\n",
	 "routes.yaml:3: backend ff02::1 of stack 'blue' is multicast; write an address that "
	 "packets can be sent to\n"},
	{"stacks:\n  blue:\n    backends: [{address: 'fe80::1'}]\n",
	 "routes.yaml:3: backend fe80::1 of stack 'blue' is link-local; write an address that "
	 "packets can be sent to\n"},
	{"stacks:\n  blue:\n    backends: [{address: 10.1.0.11, weight: 65536}]\n",
	 "routes.yaml:3: weight of backend 10.1.0.11 of stack 'blue' is 65536; it must be 0 to "
	 "65535\n"},
	{"stacks:\n  blue:\n    forward: local\n    backends: [{address: 10.1.0.1}, {address: "
	 "10.1.0.2}]\n",
	 "routes.yaml:2: stack 'blue' is local and has 2 backends; this host is the only one: "
	 "leave "
	 "one, for its health checks, or none\n"},
	{"stacks:\n  blue:\n    forward: local\n    health: {type: tcp, port: 80}\n",
	 "routes.yaml:4: stack 'blue' is local and has no address to check; add backends: "
	 "[{address: 127.0.0.1}], or use type: none\n"},
	{"stacks:\n  blue: {slow_start: 999ms}\n",
	 "routes.yaml:2: slow_start of stack 'blue' is 999ms; it must be 1s to 1h, or left out for "
	 "none\n"},
	{"stacks:\n  blue: {slow_start: 2h}\n",
	 "routes.yaml:2: slow_start of stack 'blue' is 2h; it must be 1s to 1h, or left out for "
	 "none\n"},
	/* Health */
	{STACK_HEALTH("type: tcp"),
	 "routes.yaml:4: health of stack 'blue' has no port; add one, such as port: 80\n"},
	{STACK_HEALTH("type: tcp, port: 80, path: /"),
	 "routes.yaml:4: health of stack 'blue' has a path, which only type: http has; remove "
	 "it\n"},
	{STACK_HEALTH("type: tcp, port: 80, host: a"),
	 "routes.yaml:4: health of stack 'blue' has a host, which only type: http or grpc "
	 "has; remove it\n"},
	{STACK_HEALTH("type: grpc, port: 80, path: /"),
	 "routes.yaml:4: health of stack 'blue' has a path, which only type: http has; remove "
	 "it\n"},
	{STACK_HEALTH("type: http, port: 80, service: a"),
	 "routes.yaml:4: health of stack 'blue' has a service, which only type: grpc has; remove "
	 "it\n"},
	{STACK_HEALTH("type: http, port: 80, server_name: a"),
	 "routes.yaml:4: health of stack 'blue' has a server_name, which only tls: true has; "
	 "remove it\n"},
	{STACK_HEALTH("type: http, port: 80, tls: true, server_name: 192.0.2.1"),
	 "routes.yaml:4: health server_name '192.0.2.1' of stack 'blue' must be a name of up to "
	 "253 bytes, no address, such as shop.example.com\n"},
	{STACK_HEALTH("type: http, port: 80, tls: true, server_name: 'a:80'"),
	 "routes.yaml:4: health server_name 'a:80' of stack 'blue' must be a name of up to 253 "
	 "bytes, no address, such as shop.example.com\n"},
	{STACK_HEALTH("type: grpc, port: 80, service: ''"),
	 "routes.yaml:4: health service of stack 'blue' must be 1 to 255 bytes of printable text, "
	 "such as shop.v1.Cart; without it, the server as a whole is asked for\n"},
	{STACK_HEALTH("type: tcp, port: 80, body: a"),
	 "routes.yaml:4: health of stack 'blue' has a body, which only type: http has; remove "
	 "it\n"},
	{STACK_HEALTH("type: tcp, port: 80, status: 200"),
	 "routes.yaml:4: health of stack 'blue' has a status, which only type: http has; remove "
	 "it\n"},
	{STACK_HEALTH("type: http, port: 80, host: \"a\\r\\nX: b\""),
	 "routes.yaml:4: health host 'a\?\?X: b' of stack 'blue' must be a name or an address, "
	 "with a port or without, up to 255 bytes, such as shop.example.com\n"},
	{STACK_HEALTH("type: http, port: 80, host: ''"),
	 "routes.yaml:4: health host '' of stack 'blue' must be a name or an address, with a port "
	 "or without, up to 255 bytes, such as shop.example.com\n"},
	{STACK_HEALTH("type: http, port: 80, body: ''"),
	 "routes.yaml:4: health body of stack 'blue' must be 1 to 255 bytes of printable text\n"},
	{STACK_HEALTH("type: http, port: 80, body: \"a\\nb\""),
	 "routes.yaml:4: health body of stack 'blue' must be 1 to 255 bytes of printable text\n"},
	{STACK_HEALTH("type: http, port: 80, status: 199"),
	 "routes.yaml:4: health status of stack 'blue' is 199-199; it must be a status from 200 to "
	 "599, or a range of them, the lower first\n"},
	{STACK_HEALTH("type: http, port: 80, status: 300-600"),
	 "routes.yaml:4: health status of stack 'blue' is 300-600; it must be a status from 200 to "
	 "599, or a range of them, the lower first\n"},
	{STACK_HEALTH("type: http, port: 80, status: 299-200"),
	 "routes.yaml:4: health status of stack 'blue' is 299-200; it must be a status from 200 to "
	 "599, or a range of them, the lower first\n"},
	{STACK_HEALTH("type: http, port: 80, path: healthz"),
	 "routes.yaml:4: health path 'healthz' of stack 'blue' must begin with '/' and be up to "
	 "1024 "
	 "printable ASCII characters without spaces\n"},
	{STACK_HEALTH("type: http, port: 80, path: \"/a\\r\\nX: b\""),
	 "routes.yaml:4: health path '/a\?\?X: b' of stack 'blue' must begin with '/' and be up to "
	 "1024 printable ASCII characters without spaces\n"},
	{STACK_HEALTH("type: http, port: 80, path: '/a b'"),
	 "routes.yaml:4: health path '/a b' of stack 'blue' must begin with '/' and be up to 1024 "
	 "printable ASCII characters without spaces\n"},
	{STACK_HEALTH("type: tcp, port: 80, interval: 19ms, timeout: 5ms"),
	 "routes.yaml:4: health interval of stack 'blue' is 19ms; it must be 20ms to 1h\n"},
	{STACK_HEALTH("type: tcp, port: 80, interval: 61m"),
	 "routes.yaml:4: health interval of stack 'blue' is 61m; it must be 20ms to 1h\n"},
	{STACK_HEALTH("type: tcp, port: 80, interval: 100ms, timeout: 101ms"),
	 "routes.yaml:4: health timeout of stack 'blue' is 101ms; it must be 1ms to the interval, "
	 "which is 100ms\n"},
	{STACK_HEALTH("type: tcp, port: 80, fall: 101"),
	 "routes.yaml:4: health fall of stack 'blue' is 101; it must be 1 to 100\n"},
	{STACK_HEALTH("type: tcp, port: 80, rise: 101"),
	 "routes.yaml:4: health rise of stack 'blue' is 101; it must be 1 to 100\n"},
	/* VIPs and ports */
	{BLUE "services:\n  shop: {ports: [80], split: {blue: 1}}\n",
	 "routes.yaml:4: service 'shop' has no VIP; add one, such as vips: [203.0.113.10]\n"},
	{BLUE "services:\n  shop: {vips: [0.0.0.0], split: {blue: 1}}\n",
	 "routes.yaml:4: VIP 0.0.0.0 of service 'shop' is unspecified; write an address that "
	 "clients "
	 "can send to\n"},
	{BLUE "services:\n  shop: {vips: ['::1'], split: {blue: 1}}\n",
	 "routes.yaml:4: VIP ::1 of service 'shop' is loopback; write an address that clients can "
	 "send to\n"},
	{BLUE "services:\n  shop: {vips: [224.0.0.1], split: {blue: 1}}\n",
	 "routes.yaml:4: VIP 224.0.0.1 of service 'shop' is multicast; write an address that "
	 "clients "
	 "can send to\n"},
	{BLUE "services:\n  shop: {vips: [169.254.0.1], split: {blue: 1}}\n",
	 "routes.yaml:4: VIP 169.254.0.1 of service 'shop' is link-local; write an address that "
	 "clients can send to\n"},
	{BLUE "services:\n  shop: {vips: [255.255.255.255], split: {blue: 1}}\n",
	 "routes.yaml:4: VIP 255.255.255.255 of service 'shop' is broadcast; write an address that "
	 "clients can send to\n"},
	{BLUE "services:\n  shop:\n    vips:\n    - 203.0.113.10\n    - 203.0.113.10\n"
	      "    split: {blue: 1}\n",
	 "routes.yaml:7: service 'shop' has VIP 203.0.113.10 twice; remove one; the first is on "
	 "line "
	 "6\n"},
	{BLUE "services:\n  shop: {vips: [203.0.113.10], ports: [80, 443, 80], split: {blue: 1}}\n",
	 "routes.yaml:4: service 'shop' has port 80 twice; remove one\n"},
	{BLUE SHOP "  store: {vips: [203.0.113.11, 203.0.113.10], ports: [443, 80], split: {blue: "
		   "1}}\n",
	 "routes.yaml:5: services 'shop' and 'store' both have VIP 203.0.113.10 with tcp port 80; "
	 "remove it from one of them; the first is on line 4\n"},
	{BLUE "services:\n  a: {vips: ['2001:db8::10'], protocol: udp, split: {blue: 1}}\n"
	      "  b: {vips: ['2001:db8:0::10'], protocol: udp, ports: [], split: {blue: 1}}\n",
	 "routes.yaml:5: services 'a' and 'b' both have VIP 2001:db8::10 with udp every port; "
	 "remove "
	 "it from one of them; the first is on line 4\n"},
	/* Splits */
	{BLUE "services:\n  shop: {vips: [203.0.113.10]}\n",
	 "routes.yaml:4: split of service 'shop' is empty; name at least one stack, such as split: "
	 "{blue: 100}\n"},
	{BLUE GREEN "services:\n  shop: {vips: [203.0.113.10], split: {blue: 1, gren: 1}}\n",
	 "routes.yaml:5: split of service 'shop' names stack 'gren', which is not defined (did you "
	 "mean 'green'?)\n"},
	{BLUE "services:\n  shop: {vips: [203.0.113.10], split: {blue: 1, zebra: 1}}\n",
	 "routes.yaml:4: split of service 'shop' names stack 'zebra', which is not defined\n"},
	{BLUE GREEN "services:\n  shop: {vips: [203.0.113.10], split: {blue: 0, green: 0}}\n",
	 "routes.yaml:5: split of service 'shop' has only weights of 0; give one stack a weight "
	 "above "
	 "0\n"},
	{BLUE "services:\n  shop: {vips: [203.0.113.10], split: {blue: 1000001}}\n",
	 "routes.yaml:4: weight of stack 'blue' in the split of service 'shop' is 1000001; it must "
	 "be "
	 "0 to 1000000\n"},
	{"stacks: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}, h: {}, i: {}, j: {}, k: {}, l: "
	 "{}, m: {}, n: {}, o: {}, p: {}, q: {}}\n"
	 "services:\n  shop: {vips: [203.0.113.10], split: {a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: "
	 "1, "
	 "h: 1, i: 1, j: 1, k: 1, l: 1, m: 1, n: 1, o: 1, p: 1, q: 1}}\n",
	 "routes.yaml:3: split of service 'shop' names 17 stacks; it can have up to 16\n"},
	{"stacks:\n  blue: {}\n" SHOP,
	 "routes.yaml:4: split of service 'shop' gives stack 'blue' a weight of 1, but it has no "
	 "backends; add one, or set the stack's weight to 0\n"},
	{"stacks:\n  blue: {backends: [{address: 10.1.0.11, weight: 0}]}\n" SHOP,
	 "routes.yaml:4: split of service 'shop' gives stack 'blue' a weight of 1, but all its "
	 "backends have weight 0; give one a weight, or set the stack's weight to 0\n"},
	/* Failover */
	{BLUE GREEN
	 "services:\n  shop: {vips: [203.0.113.10], split: {blue: 1}, failover: [gren]}\n",
	 "routes.yaml:5: failover of service 'shop' names stack 'gren', which is not defined (did "
	 "you mean 'green'?)\n"},
	{BLUE GREEN "services:\n  shop:\n    vips: [203.0.113.10]\n    split: {blue: 1}\n"
		    "    failover:\n      - green\n      - blue\n      - green\n",
	 "routes.yaml:11: failover of service 'shop' names stack 'green' twice; remove one; the "
	 "first is on line 9\n"},
	{BLUE "  green: {}\n"
	      "services:\n  shop: {vips: [203.0.113.10], split: {blue: 1}, failover: [green]}\n",
	 "routes.yaml:5: failover of service 'shop' names stack 'green', but it has no backends; "
	 "add one, or take it off the list\n"},
	{BLUE "  green: {backends: [{address: 10.2.0.11, weight: 0}]}\n"
	      "services:\n  shop: {vips: [203.0.113.10], split: {blue: 1}, failover: [green]}\n",
	 "routes.yaml:5: failover of service 'shop' names stack 'green', but all its backends have "
	 "weight 0; give one a weight, or take it off the list\n"},
	{BLUE "  green: {forward: ipip, backends: [{address: 203.0.113.10}]}\n"
	      "services:\n  shop: {vips: [203.0.113.10], split: {blue: 1}, failover: [green]}\n",
	 "routes.yaml:5: backend 203.0.113.10 of stack 'green' is a VIP of service 'shop', which "
	 "would send to itself; give the backend's own address\n"},
	{BLUE "  green: {forward: ipip, backends: [{address: 10.2.0.11}]}\n"
	      "services:\n  shop: {vips: ['2001:db8::10'], split: {blue: 1}, failover: [green]}\n",
	 "routes.yaml:5: service 'shop' has the IPv6 VIP 2001:db8::10, but backend 10.2.0.11 of "
	 "its "
	 "stack 'green' is IPv4, and ipip carries no IPv6 over IPv4; give the backend by its IPv6 "
	 "address, or move the VIP to a service of its own\n"},
	{"stacks: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, g: {}, h: {}, i: {}, j: {}, k: {}, l: "
	 "{}, m: {}, n: {}, o: {}, p: {forward: local}, q: {forward: local}}\n"
	 "services:\n  shop: {vips: [203.0.113.10], split: {a: 0, b: 0, c: 0, d: 0, e: 0, f: 0, g: "
	 "0, h: 0, i: 0, j: 0, k: 0, l: 0, m: 0, n: 0, o: 0, p: 1}, failover: [p, q]}\n",
	 "routes.yaml:3: split and failover of service 'shop' name 17 stacks; they can name up to "
	 "16\n"},
	/* Families and loops */
	{"stacks:\n  blue: {forward: ipip, backends: [{address: '2001:db8:1::1'}, {address: "
	 "10.1.0.11}]}\n"
	 "services:\n  shop: {vips: [203.0.113.10, '2001:db8::10'], split: {blue: 1}}\n",
	 "routes.yaml:4: service 'shop' has the IPv6 VIP 2001:db8::10, but backend 10.1.0.11 of "
	 "its "
	 "stack 'blue' is IPv4, and ipip carries no IPv6 over IPv4; give the backend by its IPv6 "
	 "address, or move the VIP to a service of its own\n"},
	{"stacks:\n  blue: {forward: ipip, backends: [{address: 203.0.113.10}]}\n" SHOP,
	 "routes.yaml:4: backend 203.0.113.10 of stack 'blue' is a VIP of service 'shop', which "
	 "would "
	 "send to itself; give the backend's own address\n"},
};

static void expect_problem(const struct routes *routes, const struct routes_limits *limits,
			   const char *context, const char *expect)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_FREE char *said = NULL;
	int err = routes_check(routes, limits, &problems);

	said = problems_text(&problems, "routes.yaml");
	if (err != -EINVAL || strcmp(said, expect) != 0)
		fail_msg("for\n%s\nsaid (%d):\n%s\nexpected:\n%s", context, err, said, expect);
}

static void each_rule_refuses_with_line_name_and_way_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		CLEANUP_ROUTES struct routes *routes = parse(refusals[i].text);

		expect_problem(routes, &ample, refusals[i].text, refusals[i].expect);
	}
}

/* YAML keys are unique already, but a message can repeat them. */
static void names_given_twice_are_refused(void **state)
{
	CLEANUP_ROUTES struct routes *stacks = parse(BLUE GREEN);
	CLEANUP_ROUTES struct routes *services =
		parse(BLUE SHOP "  store: {vips: [203.0.113.11], split: {blue: 1}}\n");
	CLEANUP_ROUTES struct routes *splits = parse(
		BLUE GREEN "services:\n"
			   "  shop: {vips: [203.0.113.10], split: {green: 1, blue: 1}}\n");
	CLEANUP_ROUTES struct routes *labels = parse("stacks:\n  blue: {labels: {a: x, b: y}}\n");

	(void)state;
	strcpy(stacks->stacks[1].name, "blue");
	expect_problem(stacks, &ample, "stacks",
		       "routes.yaml:3: stack 'blue' is defined twice; the first is on line 2\n");
	strcpy(services->services[1].name, "shop");
	expect_problem(services, &ample, "services",
		       "routes.yaml:5: service 'shop' is defined twice; the first is on line 4\n");
	strcpy(splits->services[0].split[0].stack, "blue");
	expect_problem(splits, &ample, "splits",
		       "routes.yaml:5: split of service 'shop' names stack 'blue' twice\n");
	labels->stacks[0].labels[1].key[0] = 'a';
	expect_problem(labels, &ample, "labels",
		       "routes.yaml:2: label 'a' of stack 'blue' is given twice\n");
}

/* A file's value cannot be this; a message's can. */
static void a_panic_share_beyond_all_is_refused(void **state)
{
	CLEANUP_ROUTES struct routes *routes = parse(BLUE SHOP);

	(void)state;
	routes->services[0].panic_percent = 101;
	expect_problem(routes, &ample, "panic",
		       "routes.yaml:4: panic of service 'shop' is 101%; it must be 0% to 100%\n");
}

static void a_failover_entry_without_line_has_its_place_in_the_list(void **state)
{
	CLEANUP_ROUTES struct routes *routes = parse(
		BLUE GREEN "services:\n  shop: {vips: [203.0.113.10], split: {blue: 1}, failover: "
			   "[green, red]}\n");

	(void)state;
	routes->services[0].line = routes->services[0].failover[1].line = 0;
	expect_problem(routes, &ample, "no line",
		       "services.shop.failover[1]: failover of service 'shop' names stack 'red', "
		       "which is not defined\n");
}

static void without_lines_the_path_says_where(void **state)
{
	CLEANUP_ROUTES struct routes *routes = parse(
		"stacks:\n  blue: {}\n  green: {}\n"
		"services:\n  shop: {vips: [203.0.113.10], split: {blue: 0}}\n");

	(void)state;
	routes->services[0].line = 0;
	routes->services[0].split[0].line = 0;
	expect_problem(
		routes, &ample, "no lines",
		"services.shop.split: split of service 'shop' has only weights of 0; give one "
		"stack a weight above 0\n");
}

static void limits_are_named_with_both_numbers(void **state)
{
	static const char text[] = BLUE GREEN
		"services:\n"
		"  shop: {vips: [203.0.113.10, 203.0.113.11], ports: [80, 443], split: "
		"{blue: 1}}\n"
		"  dns: {vips: [203.0.113.10], protocol: udp, split: {green: 1}}\n";
	static const struct {
		struct routes_limits limits;
		const char *expect;
	} cases[] = {
		{{1, 2, 2, 7},
		 "services: limits.services is 1 in the node file; the routes have 2\n"},
		{{2, 1, 2, 7}, "stacks: limits.stacks is 1 in the node file; the routes have 2\n"},
		{{2, 2, 1, 7},
		 "backends: limits.backends is 1 in the node file; the routes have 2\n"},
		{{2, 2, 2, 6},
		 "services: the services take 7 keys of the VIP table (VIPs x ports, and one for "
		 "each "
		 "VIP), which holds 6; list fewer ports, or [] for every port\n"},
	};
	CLEANUP_PROBLEMS struct problems problems = {0};
	CLEANUP_ROUTES struct routes *routes = parse(text);

	(void)state;
	assert_int_equal(routes_vip_keys(routes), 2 * 2 + 1 + 2);
	assert_int_equal(routes_check(routes, &(struct routes_limits){2, 2, 2, 7}, &problems), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect_problem(routes, &cases[i].limits, text, cases[i].expect);
}

static void a_local_stack_takes_a_backend_of_the_limit(void **state)
{
	CLEANUP_ROUTES struct routes *routes =
		parse("stacks: {a: {forward: local}, b: {forward: local}}\n");

	(void)state;
	expect_problem(routes, &(struct routes_limits){9, 9, 1, 9}, "local",
		       "backends: limits.backends is 1 in the node file; the routes have 2\n");
}

static void every_broken_rule_is_told_at_once(void **state)
{
	CLEANUP_ROUTES struct routes *routes = parse(
		"stacks:\n  Blue: {backends: [{address: 0.0.0.0, weight: 70000}]}\n"
		"services:\n  shop: {vips: [127.0.0.1], ports: [80, 80], split: {green: 0}}\n");
	CLEANUP_PROBLEMS struct problems problems = {0};

	(void)state;
	assert_int_equal(routes_check(routes, &ample, &problems), -EINVAL);
	assert_int_equal(problems.total, 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_makes_sense_is_accepted),
		cmocka_unit_test(each_rule_refuses_with_line_name_and_way_out),
		cmocka_unit_test(names_given_twice_are_refused),
		cmocka_unit_test(a_panic_share_beyond_all_is_refused),
		cmocka_unit_test(a_failover_entry_without_line_has_its_place_in_the_list),
		cmocka_unit_test(without_lines_the_path_says_where),
		cmocka_unit_test(limits_are_named_with_both_numbers),
		cmocka_unit_test(a_local_stack_takes_a_backend_of_the_limit),
		cmocka_unit_test(every_broken_rule_is_told_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
