/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The server over TCP: mutual TLS only. */
#include "lib/certs.h"
#include "lib/rpc_world.h"

#include "common/util.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static int listen_with(struct rpc_world *world, const char *address, const char *cert,
		       const char *key, const char *ca, char **ret_error)
{
	CLEANUP_FREE char *cert_path = rpc_world_path(world, cert);
	CLEANUP_FREE char *key_path = rpc_world_path(world, key);
	CLEANUP_FREE char *ca_path = rpc_world_path(world, ca);

	return rpc_server_listen_tcp(world->server, address, cert_path, key_path, ca_path,
				     ret_error);
}

static struct rpc_world *new_world(const struct rpc_limits *limits)
{
	struct rpc_world *world = rpc_world_new(limits);

	certs_make(world->directory, "ca", NULL, 30);
	certs_make(world->directory, "server", "ca", 30);
	certs_make(world->directory, "client", "ca", 30);
	certs_make(world->directory, "expired", "ca", -1);
	certs_make(world->directory, "other_ca", NULL, 30);
	certs_make(world->directory, "stranger", "other_ca", 30);
	return world;
}

static struct rpc_world *new_listening(const struct rpc_limits *limits)
{
	struct rpc_world *world = new_world(limits);
	CLEANUP_FREE char *error = NULL;

	if (listen_with(world, "[::]:0", "server.crt", "server.key", "ca.crt", &error))
		fail_msg("%s", error);
	return world;
}

static void only_clients_with_a_certificate_of_our_ca_get_in(void **state)
{
	struct rpc_world *world = new_listening(NULL);

	(void)state;
	rpc_world_run(world, "tls");
	rpc_world_free(world);
}

static void a_client_that_never_shakes_hands_is_cut_off(void **state)
{
	const struct rpc_limits limits = {.patience_ms = 300};
	struct rpc_world *world = new_listening(&limits);
	struct rpc_usage usage;

	(void)state;
	rpc_world_run(world, "tls_silent");
	rpc_server_usage(world->server, &usage);
	assert_in_range(usage.connections, 0, 1);
	rpc_world_free(world);
}

static void a_drain_waits_for_a_slow_client(void **state)
{
	struct rpc_world *world = new_listening(NULL);

	(void)state;
	world->drain_limit_ms = 20000;
	rpc_world_run(world, "tls_drain");
	assert_int_equal(world->drained_n, 1);
	rpc_world_free(world);
}

static void what_cannot_be_used_is_named(void **state)
{
	static const struct {
		const char *address, *cert, *key, *ca;
		int code;
		const char *says;
	} cases[] = {
		{"0.0.0.0:0", "none.crt", "server.key", "ca.crt", -ENOENT, "none.crt: No such"},
		{"0.0.0.0:0", "server.crt", "none.key", "ca.crt", -ENOENT, "none.key: No such"},
		{"0.0.0.0:0", "server.crt", "server.key", "none.ca", -ENOENT, "none.ca: No such"},
		{"0.0.0.0:0", "protoset", "server.key", "ca.crt", -EINVAL, "protoset cannot be"},
		{"0.0.0.0:0", "server.crt", "protoset", "ca.crt", -EINVAL, "protoset cannot be"},
		{"0.0.0.0:0", "server.crt", "server.key", "protoset", -EINVAL,
		 "protoset cannot be"},
		{"0.0.0.0:0", "server.crt", "client.key", "ca.crt", -EINVAL,
		 "client.key is not that of"},
		{"localhost:0", "server.crt", "server.key", "ca.crt", -EINVAL, "'localhost:0'"},
		{"0.0.0.0", "server.crt", "server.key", "ca.crt", -EINVAL, "'0.0.0.0'"},
		{"::1:80", "server.crt", "server.key", "ca.crt", -EINVAL, "'::1:80'"},
		{"192.0.2.1:9450", "server.crt", "server.key", "ca.crt", -EADDRNOTAVAIL,
		 "192.0.2.1:9450"},
	};
	struct rpc_world *world = new_world(NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_FREE char *error = NULL;

		assert_int_equal(listen_with(world, cases[i].address, cases[i].cert, cases[i].key,
					     cases[i].ca, &error),
				 cases[i].code);
		if (!strstr(error, cases[i].says))
			fail_msg("'%s' is not in '%s'", cases[i].says, error);
		assert_int_equal(rpc_server_tcp_port(world->server), 0);
	}
	rpc_world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_clients_with_a_certificate_of_our_ca_get_in),
		cmocka_unit_test(a_client_that_never_shakes_hands_is_cut_off),
		cmocka_unit_test(a_drain_waits_for_a_slow_client),
		cmocka_unit_test(what_cannot_be_used_is_named),
	};
	sigset_t child;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
