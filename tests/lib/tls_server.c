/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/tls_server.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/util.h"
#include "lib/reply_server.h"

static SSL_CTX *context_new(const struct tls_server *server)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	CLEANUP_FREE char *cert = NULL, *key = NULL;

	assert_non_null(context);
	if (!server->directory)
		return context;
	cert = util_format("%s/server.crt", server->directory);
	key = util_format("%s/server.key", server->directory);
	assert_int_equal(SSL_CTX_use_certificate_file(context, cert, SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM), 1);
	return context;
}

/* The first that the client offers. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
			   const unsigned char *in, unsigned int in_size, void *userdata)
{
	(void)ssl;
	(void)in_size;
	(void)userdata;
	*out_size = in[0];
	*out = in + 1;
	return SSL_TLSEXT_ERR_OK;
}

static char *answer_of(SSL *ssl, const struct tls_server *server)
{
	CLEANUP_FREE char *padding = util_calloc(1, server->padding + 1);
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const unsigned char *protocol = NULL;
	unsigned int size = 0;

	memset(padding, 'x', server->padding);
	SSL_get0_alpn_selected(ssl, &protocol, &size);
	return util_format("HTTP/1.1 200 OK\r\n\r\n%sname %s, protocol %.*s, %s", padding,
			   name ? name : "none", size ? (int)size : 4,
			   size ? (const char *)protocol : "none",
			   SSL_session_reused(ssl) ? "resumed" : "full");
}

static void serve(SSL *ssl, const struct tls_server *server)
{
	CLEANUP_FREE char *answer = NULL;
	char request[4096];

	if (SSL_accept(ssl) != 1 || SSL_read(ssl, request, sizeof(request)) <= 0)
		return;
	if (server->is_mute) {
		SSL_read(ssl, request, sizeof(request));
		return;
	}
	answer = answer_of(ssl, server);
	SSL_write(ssl, answer, (int)strlen(answer));
	SSL_shutdown(ssl);
	SSL_read(ssl, request, sizeof(request));
}

static void serve_for_ever(const struct tls_server *server)
{
	SSL_CTX *context = context_new(server);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
	SSL_CTX_set_session_id_context(context, (const unsigned char *)"test", 4);
	for (;;) {
		int session = accept(server->fd, NULL, NULL);
		SSL *ssl = SSL_new(context);

		SSL_set_fd(ssl, session);
		serve(ssl, server);
		SSL_free(ssl);
		close(session);
	}
}

void tls_server_start(struct tls_server *server)
{
	server->fd = reply_server_listen(4096);
	server->port = reply_server_port(server->fd);
	assert_return_code(fcntl(server->fd, F_SETFL, 0), errno);
	server->pid = fork();
	assert_return_code(server->pid, errno);
	if (!server->pid)
		serve_for_ever(server);
}

void tls_server_stop(struct tls_server *server)
{
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	close(server->fd);
}
