/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "rpc/listener.h"

#include "common/util.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static const unsigned char protocol[] = {2, 'h', '2'};

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
			   const unsigned char *in, unsigned int in_size, void *data)
{
	unsigned char *chosen;

	(void)ssl;
	(void)data;
	if (SSL_select_next_proto(&chosen, out_size, protocol, sizeof(protocol), in, in_size) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* The innermost reason OpenSSL has for its last failure. */
static const char *reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = ERR_reason_error_string(code);

	if (ERR_SYSTEM_ERROR(code))
		return strerror(ERR_GET_REASON(code));
	return text ? text : "it is not understood";
}

static int readable(const char *path, const char *what, char **ret_error)
{
	int err;

	if (!access(path, R_OK))
		return 0;
	err = -errno;
	*ret_error = util_format("cannot read %s %s: %s", what, path, strerror(-err));
	return err;
}

static int refuse(const char *what, const char *path, char **ret_error)
{
	*ret_error = util_format("%s %s cannot be used: %s", what, path, reason());
	return -EINVAL;
}

static int load(SSL_CTX *tls, const char *cert_path, const char *key_path,
		const char *client_ca_path, char **ret_error)
{
	STACK_OF(X509_NAME) * names;

	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(tls, cert_path) != 1)
		return refuse("the certificate", cert_path, ret_error);
	ERR_clear_error();
	if (SSL_CTX_use_PrivateKey_file(tls, key_path, SSL_FILETYPE_PEM) != 1) {
		if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
		    ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH) {
			*ret_error = util_format("the key %s is not that of the certificate %s",
						 key_path, cert_path);
			return -EINVAL;
		}
		return refuse("the key", key_path, ret_error);
	}
	ERR_clear_error();
	if (SSL_CTX_load_verify_locations(tls, client_ca_path, NULL) != 1)
		return refuse("the client CA", client_ca_path, ret_error);
	names = SSL_load_client_CA_file(client_ca_path);
	if (!names)
		return refuse("the client CA", client_ca_path, ret_error);
	SSL_CTX_set_client_CA_list(tls, names);
	return 0;
}

int rpc_tls_context(const char *cert_path, const char *key_path, const char *client_ca_path,
		    SSL_CTX **ret_tls, char **ret_error)
{
	SSL_CTX *tls;
	int err;

	err = readable(cert_path, "the certificate", ret_error);
	if (!err)
		err = readable(key_path, "the key", ret_error);
	if (!err)
		err = readable(client_ca_path, "the client CA", ret_error);
	if (err)
		return err;
	tls = SSL_CTX_new(TLS_server_method());
	if (!tls) {
		*ret_error = util_format("TLS cannot be set up: %s", reason());
		return -ENOMEM;
	}
	SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
	SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
					 SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* Each connection proves who it is anew. */
	SSL_CTX_set_num_tickets(tls, 0);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_alpn_select_cb(tls, choose_protocol, NULL);
	err = load(tls, cert_path, key_path, client_ca_path, ret_error);
	ERR_clear_error();
	if (err) {
		SSL_CTX_free(tls);
		return err;
	}
	*ret_tls = tls;
	return 0;
}
