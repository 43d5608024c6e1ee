/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/certs.h"

#include "common/util.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define DAY_S 86400L

static FILE *open_file(const char *directory, const char *name, const char *suffix,
		       const char *mode)
{
	CLEANUP_FREE char *path = util_format("%s/%s.%s", directory, name, suffix);
	FILE *file = fopen(path, mode);

	assert_non_null(file);
	return file;
}

static void extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	assert_true(X509_add_ext(cert, extension, -1));
	X509_EXTENSION_free(extension);
}

static X509 *make(const char *name, EVP_PKEY *key, bool is_authority, int days)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), days < 0 ? 2 * days * DAY_S : -DAY_S);
	X509_gmtime_adj(X509_getm_notAfter(cert), days * DAY_S);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
				   0);
	X509_set_pubkey(cert, key);
	extend(cert, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "CA:FALSE");
	if (!is_authority)
		extend(cert, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
	return cert;
}

static void sign(X509 *cert, EVP_PKEY *own, const char *directory, const char *issuer)
{
	CLEANUP_FCLOSE FILE *cert_file = NULL;
	CLEANUP_FCLOSE FILE *key_file = NULL;
	X509 *authority;
	EVP_PKEY *key;

	if (!issuer) {
		X509_set_issuer_name(cert, X509_get_subject_name(cert));
		assert_true(X509_sign(cert, own, EVP_sha256()));
		return;
	}
	cert_file = open_file(directory, issuer, "crt", "re");
	key_file = open_file(directory, issuer, "key", "re");
	authority = PEM_read_X509(cert_file, NULL, NULL, NULL);
	key = PEM_read_PrivateKey(key_file, NULL, NULL, NULL);
	X509_set_issuer_name(cert, X509_get_subject_name(authority));
	assert_true(X509_sign(cert, key, EVP_sha256()));
	EVP_PKEY_free(key);
	X509_free(authority);
}

void certs_make(const char *directory, const char *name, const char *issuer, int days)
{
	CLEANUP_FCLOSE FILE *cert_file = open_file(directory, name, "crt", "we");
	CLEANUP_FCLOSE FILE *key_file = open_file(directory, name, "key", "we");
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = make(name, key, !issuer, days);

	sign(cert, key, directory, issuer);
	assert_true(PEM_write_X509(cert_file, cert));
	assert_true(PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL));
	X509_free(cert);
	EVP_PKEY_free(key);
}
