/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Certificates for tests of mutual TLS, made when the test runs. */
#ifndef STEER_TEST_CERTS_H
#define STEER_TEST_CERTS_H

/*
 * Writes DIRECTORY/NAME.crt and NAME.key, PEM, for "localhost". `issuer` is the name of an earlier
 * one, or NULL for a certificate authority of its own. Valid from a day ago for `days` days;
 * negative: it ran out before today. Ends the test on failure.
 */
void certs_make(const char *directory, const char *name, const char *issuer, int days);

#endif
