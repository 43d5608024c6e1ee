/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between JSON and the protobuf wire format, for any message that a schema describes, by the
 * rules of the JSON mapping (protobuf.dev/programming-guides/json):
 * - field names are read as snake_case and as lowerCamelCase, and written as snake_case;
 * - enums are names, or numbers where a number has no name; both are read;
 * - 64-bit integers are read as numbers and as text; written as numbers up to 2^53, which every
 *   reader of JSON keeps exactly, and as text above;
 * - bytes are base64; NaN and the infinities are text; maps are objects; null means unset.
 * The types of google.protobuf that have a JSON form of their own are read as plain messages.
 */
#ifndef STEER_CLI_CODEC_H
#define STEER_CLI_CODEC_H

#include <jansson.h>

#include "cli/schema.h"

#define CODEC_DEPTH_MAX 64 /* messages inside messages */

/*
 * 0 with the packed message, which the caller frees, or -EINVAL with *ret_error, also the
 * caller's to free: "$.routes.services[2].vip: steerd.v1.Service has no such field (…)".
 */
int codec_encode(const struct schema_message *type, const json_t *value, uint8_t **ret_data,
		 size_t *ret_size, char **ret_error);

/*
 * 0 with a new object, or -EBADMSG with *ret_error. With `defaults`, fields that are not set
 * stand there with their default, messages and members of a oneof excepted.
 */
int codec_decode(const struct schema_message *type, const uint8_t *data, size_t size, bool defaults,
		 json_t **ret_value, char **ret_error);

#endif
