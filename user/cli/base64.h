/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Base64 (RFC 4648): written with padding; read in both alphabets, padded or not. */
#ifndef STEER_CLI_BASE64_H
#define STEER_CLI_BASE64_H

#include <stddef.h>
#include <stdint.h>

char *base64_encode(const uint8_t *data, size_t size); /* NUL-terminated; the caller frees */

/* 0, or -EINVAL: a character or a length that base64 cannot have. The caller frees. */
int base64_decode(const char *text, size_t length, uint8_t **ret_data, size_t *ret_size);

#endif
