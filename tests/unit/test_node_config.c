/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The node file: its keys, its defaults, and the words that wrong ones are refused with. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent/node_config.h"
#include "common/util.h"

static const char full[] =
	"node: edge-1\n"
	"interfaces: [eth0, eth1.100]\n"
	"xdp: {mode: native, attach: link}\n"
	"listen:\n"
	"  unix: /run/s.sock\n"
	"  tcp: {address: \"0.0.0.0:9450\", cert: /etc/c.pem, key: /etc/k.pem, client_ca: "
	"/etc/a.pem}\n"
	"http: \"[::1]:9460\"\n"
	"decap: {interfaces: [eth2], sources: [10.0.0.0/24, \"2001:db8::/64\", 10.9.9.9]}\n"
	"tunnel: {source: 10.64.0.0/16, source6: \"2001:db8::1\"}\n"
	"pin_dir: /sys/fs/bpf/s\n"
	"state_dir: /var/lib/s\n"
	"routes: /etc/steerd/routes.yaml\n"
	"limits: {services: 16384, stacks: 1, backends: 30000, flows: 1024}\n";

static void parse(const char *text, struct node_config *config)
{
	CLEANUP_PROBLEMS struct problems problems = {0};

	if (node_config_parse(text, strlen(text), config, &problems))
		fail_msg("%s", problems.n ? problems.items[0].message : "no problem is named");
}

static void every_key_arrives_in_its_field(void **state)
{
	CLEANUP_NODE_CONFIG struct node_config config = {0};
	char text[ADDRESS_TEXT_MAX];

	(void)state;
	parse(full, &config);
	assert_string_equal(config.node, "edge-1");
	assert_int_equal(config.interfaces_n, 2);
	assert_string_equal(config.interfaces[1], "eth1.100");
	assert_int_equal(config.xdp_mode, NODE_XDP_NATIVE);
	assert_string_equal(config.listen_unix, "/run/s.sock");
	assert_string_equal(config.listen_tcp.text, "0.0.0.0:9450");
	assert_int_equal(config.listen_tcp.port, 9450);
	assert_string_equal(config.tcp_cert, "/etc/c.pem");
	assert_string_equal(config.tcp_key, "/etc/k.pem");
	assert_string_equal(config.tcp_client_ca, "/etc/a.pem");
	assert_string_equal(config.http.text, "[::1]:9460");
	assert_string_equal(address_text(&config.http.address, text), "::1");
	assert_int_equal(config.http.port, 9460);
	assert_int_equal(config.decap_interfaces_n, 1);
	assert_string_equal(config.decap_interfaces[0], "eth2");
	assert_int_equal(config.decap_sources_n, 3);
	assert_int_equal(config.decap_sources[0].bits, 120);
	assert_int_equal(config.decap_sources[1].bits, 64);
	assert_int_equal(config.decap_sources[2].bits, 128);
	assert_true(config.tunnel_source.set);
	assert_string_equal(address_text(&config.tunnel_source.address, text), "10.64.0.0");
	assert_int_equal(config.tunnel_source.host_bits, 16);
	assert_true(config.tunnel_source6.set);
	assert_int_equal(config.tunnel_source6.host_bits, 0);
	assert_string_equal(config.pin_dir, "/sys/fs/bpf/s");
	assert_string_equal(config.state_dir, "/var/lib/s");
	assert_string_equal(config.routes, "/etc/steerd/routes.yaml");
	assert_int_equal(config.limits.services, 16384);
	assert_int_equal(config.limits.stacks, 1);
	assert_int_equal(config.limits.backends, 30000);
	assert_int_equal(config.limits.flows, 1024);
}

static void everything_but_interfaces_has_a_default(void **state)
{
	CLEANUP_NODE_CONFIG struct node_config config = {0};
	char host[256] = "", text[ADDRESS_TEXT_MAX];

	(void)state;
	parse("interfaces: [eth0]\n", &config);
	gethostname(host, sizeof(host) - 1);
	assert_string_equal(config.node, host);
	assert_int_equal(config.xdp_mode, NODE_XDP_AUTO);
	assert_string_equal(config.listen_unix, "/run/steerd/steerd.sock");
	assert_null(config.listen_tcp.text);
	assert_string_equal(config.http.text, "127.0.0.1:9451");
	assert_string_equal(address_text(&config.http.address, text), "127.0.0.1");
	assert_int_equal(config.http.port, 9451);
	assert_int_equal(config.decap_interfaces_n, 0);
	assert_false(config.tunnel_source.set);
	assert_false(config.tunnel_source6.set);
	assert_string_equal(config.pin_dir, "/sys/fs/bpf/steerd");
	assert_string_equal(config.state_dir, "/var/lib/steerd");
	assert_null(config.routes);
	assert_int_equal(config.limits.services, 4096);
	assert_int_equal(config.limits.stacks, 256);
	assert_int_equal(config.limits.backends, 16384);
	assert_int_equal(config.limits.flows, 1048576);
}

static void a_host_that_only_unwraps_needs_no_client_interfaces(void **state)
{
	CLEANUP_NODE_CONFIG struct node_config config = {0};

	(void)state;
	parse("interfaces: []\ndecap: {interfaces: [eth0], sources: [10.0.0.1]}\n", &config);
	assert_int_equal(config.interfaces_n, 0);
	assert_int_equal(config.decap_interfaces_n, 1);
}

static void http_can_be_turned_off(void **state)
{
	static const char *const texts[] = {"interfaces: [eth0]\nhttp: off\n",
					    "interfaces: [eth0]\nhttp: \"\"\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		CLEANUP_NODE_CONFIG struct node_config config = {0};

		parse(texts[i], &config);
		assert_null(config.http.text);
		assert_int_equal(config.http.port, 0);
	}
}

#define ETH0 "interfaces: [eth0]\n"
#define PATH100                                                                                    \
	"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/"                                      \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                                                 \
	"aaaaaaaaa"

static const struct refusal {
	const char *text;
	const char *expect; /* all that is said */
} refusals[] = {
	{"", "steerd.yaml:1: no interface is named; add interfaces: [eth0] with those that client "
	     "packets arrive on\n"},
	{"node: a\ninterfaces: []\ndecap: {interfaces: []}\n",
	 "steerd.yaml:1: no interface is named; add interfaces: [eth0] with those that client "
	 "packets "
	 "arrive on\n"},
	{ETH0 "interface: [eth0]\n",
	 "steerd.yaml:2: unknown key 'interface' (did you mean 'interfaces'?)\n"},
	{ETH0 "limits: {flow: 5}\n", "steerd.yaml:2: unknown key 'flow' (did you mean 'flows'?)\n"},
	{ETH0 "listen: {tcp: {addres: x, cert: /c, key: /k, client_ca: /a}}\n",
	 "steerd.yaml:2: unknown key 'addres' (did you mean 'address'?)\n"
	 "steerd.yaml:2: listen.tcp has no 'address'; it needs address, cert, key and client_ca, "
	 "since TCP is served with mutual TLS only\n"},
	{ETH0 "geoip: /etc/geo.mmdb\n", "steerd.yaml:2: not supported yet: geoip\n"},
	{ETH0 "xdp: {attach: dispatcher}\n",
	 "steerd.yaml:2: not supported yet: xdp.attach: dispatcher\n"},
	{ETH0 "xdp: {mode: skb}\n",
	 "steerd.yaml:2: 'mode' is 'skb'; it must be auto, native or generic\n"},
	{"interfaces: eth0\n", "steerd.yaml:1: 'interfaces' must be a list\n"},
	{"interfaces: [eth0123456789abc]\n",
	 "steerd.yaml:1: 'eth0123456789abc' is no name of an interface; write one of up to 15 "
	 "characters, such as eth0\n"},
	{"interfaces: [a/b]\n",
	 "steerd.yaml:1: 'a/b' is no name of an interface; write one of up to "
	 "15 characters, such as eth0\n"},
	{"interfaces: [\"\"]\n",
	 "steerd.yaml:1: '' is no name of an interface; write one of up to 15 "
	 "characters, such as eth0\n"},
	{"interfaces:\n- eth0\n- eth0\n",
	 "steerd.yaml:3: interface 'eth0' is named twice; it can be in either 'interfaces' or "
	 "'decap.interfaces', once\n"},
	{ETH0 "decap: {interfaces: [eth0], sources: [10.0.0.1]}\n",
	 "steerd.yaml:2: interface 'eth0' is named twice; it can be in either 'interfaces' or "
	 "'decap.interfaces', once\n"},
	{"decap: {interfaces: [eth0]}\n", "steerd.yaml:1: decap.interfaces is given without "
					  "decap.sources; list where tunnels may come "
					  "from, such as sources: [10.0.0.0/24]\n"},
	{ETH0 "decap: {sources: [10.0.0.1/24]}\n",
	 "steerd.yaml:2: '10.0.0.1/24' has bits set behind its prefix; write the network's own "
	 "address, or the address alone\n"},
	{ETH0 "decap: {sources: [anywhere]}\n",
	 "steerd.yaml:2: 'anywhere' is no address and no prefix; write one such as 10.0.0.0/24 or "
	 "2001:db8::/64\n"},
	{ETH0 "listen: {tcp: {address: \"0.0.0.0:1\", cert: /c, key: /k}}\n",
	 "steerd.yaml:2: listen.tcp has no 'client_ca'; it needs address, cert, key and client_ca, "
	 "since TCP is served with mutual TLS only\n"},
	{ETH0 "listen: {tcp: {address: \"0.0.0.0\", cert: /c, key: /k, client_ca: /a}}\n",
	 "steerd.yaml:2: 'address' is '0.0.0.0'; it must be an address and a port, such as "
	 "127.0.0.1:9451 or [::1]:9451\n"},
	{ETH0 "http: 9451\n", "steerd.yaml:2: 'http' is '9451'; it must be an address and a port, "
			      "such as 127.0.0.1:9451 or [::1]:9451\n"},
	{ETH0 "routes: \"\"\n", "steerd.yaml:2: 'routes' is empty; write the path of a file\n"},
	{ETH0 "pin_dir: pins\n", "steerd.yaml:2: 'pin_dir' is 'pins', which is relative; write the "
				 "whole path, from / on\n"},
	{ETH0 "state_dir: \"\"\n",
	 "steerd.yaml:2: 'state_dir' is '', which is relative; write the whole path, from / on\n"},
	{ETH0 "listen: {unix: " PATH100 "/12345678}\n",
	 "steerd.yaml:2: 'unix' must be up to 107 bytes of printable text\n"},
	{ETH0 "tunnel: {source: \"2001:db8::1\"}\n",
	 "steerd.yaml:2: 'source' is '2001:db8::1', which is not IPv4; that goes into 'source6'\n"},
	{ETH0 "tunnel: {source6: 10.0.0.1}\n",
	 "steerd.yaml:2: 'source6' is '10.0.0.1', which is not IPv6; that goes into 'source'\n"},
	{ETH0 "tunnel: {source6: \"2001:db8::/95\"}\n",
	 "steerd.yaml:2: 'source6' is '2001:db8::/95', which leaves 33 bits; it may leave up to "
	 "32\n"},
	{ETH0 "tunnel: {source: 127.0.0.1}\n", "steerd.yaml:2: 'source' is '127.0.0.1', which is "
					       "loopback; write an address of this host\n"},
	{ETH0 "limits: {services: 16385}\n",
	 "steerd.yaml:2: 'services' is '16385'; it must be a whole number from 1 to 16384\n"},
	{ETH0 "limits: {stacks: 257}\n",
	 "steerd.yaml:2: 'stacks' is '257'; it must be a whole number from 1 to 256\n"},
	{ETH0 "limits: {backends: 0}\n",
	 "steerd.yaml:2: 'backends' is '0'; it must be a whole number from 1 to 30000\n"},
	{ETH0 "limits: {flows: 1023}\n",
	 "steerd.yaml:2: 'flows' is '1023'; it must be a whole number from 1024 to 67108864\n"},
	{ETH0 "limits: {flows: 67108865}\n",
	 "steerd.yaml:2: 'flows' is '67108865'; it must be a whole number from 1024 to 67108864\n"},
	{ETH0 "node: \"a\\nb\"\n",
	 "steerd.yaml:2: 'node' must be 1 to 64 bytes of printable text\n"},
	{ETH0 "node:\n",
	 "steerd.yaml:2: 'node' has no value; give it a single value or remove it\n"},
	/* One run finds all, and nothing is said that follows from another error only. */
	{"interfaces: [a/b]\nxdp: {mode: x}\ndecap: {interfaces: [c/d]}\n",
	 "steerd.yaml:1: 'a/b' is no name of an interface; write one of up to 15 characters, such "
	 "as "
	 "eth0\n"
	 "steerd.yaml:2: 'mode' is 'x'; it must be auto, native or generic\n"
	 "steerd.yaml:3: 'c/d' is no name of an interface; write one of up to 15 characters, such "
	 "as "
	 "eth0\n"},
};

static void wrong_files_are_refused_with_line_and_way_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		CLEANUP_PROBLEMS struct problems problems = {0};
		CLEANUP_NODE_CONFIG struct node_config config = {0};
		CLEANUP_FREE char *said = NULL;
		const char *text = refusals[i].text, *expect = refusals[i].expect;
		int err = node_config_parse(text, strlen(text), &config, &problems);

		said = problems_text(&problems, "steerd.yaml");
		if (err != -EINVAL || config.node || strcmp(said, expect) != 0)
			fail_msg("for\n%s\nsaid (%d):\n%s\nexpected:\n%s", text, err, said, expect);
	}
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	struct node_config config = {0};

	(void)state;
	assert_int_equal(node_config_load("/nonexistent/steerd.yaml", &config, &problems), -ENOENT);
	assert_string_equal(problems.items[0].message, "cannot be read: No such file or directory");
	assert_int_equal(node_config_load("/", &config, &problems), -EISDIR);
}

static void relative_files_stand_beside_the_node_file(void **state)
{
	char folder[] = "/tmp/test_node_config.XXXXXX";
	CLEANUP_PROBLEMS struct problems problems = {0};
	struct node_config config = {0};
	char path[64], expect[64];
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/steerd.yaml", folder);
	snprintf(expect, sizeof(expect), "%s/routes.yaml", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("interfaces: [eth0]\nroutes: routes.yaml\n", file);
	fclose(file);
	assert_int_equal(node_config_load(path, &config, &problems), 0);
	assert_string_equal(config.routes, expect);
	node_config_clear(&config);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_arrives_in_its_field),
		cmocka_unit_test(everything_but_interfaces_has_a_default),
		cmocka_unit_test(a_host_that_only_unwraps_needs_no_client_interfaces),
		cmocka_unit_test(http_can_be_turned_off),
		cmocka_unit_test(wrong_files_are_refused_with_line_and_way_out),
		cmocka_unit_test(a_file_that_cannot_be_read_is_named),
		cmocka_unit_test(relative_files_stand_beside_the_node_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
