/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/cli_messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/codec.h"
#include "cli/measured_wire.h"
#include "common/util.h"
#include "rpc/method.h"

static struct schema *load_schema(void)
{
	struct schema *schema = schema_new();
	const char *missing;

	assert_int_equal(schema_add_set(schema, rpc_protoset, rpc_protoset_size), 0);
	assert_int_equal(schema_link(schema, &missing), 0);
	return schema;
}

static const struct schema_message *find_type(const struct schema *schema, const char *type)
{
	CLEANUP_FREE char *name = util_format("steerd.v1.%s", type);
	const struct schema_message *found = schema_find_message(schema, name);

	assert_non_null(found);
	return found;
}

struct rpc_bytes cli_message_pack(const char *type, const char *json)
{
	CLEANUP_SCHEMA struct schema *schema = load_schema();
	struct rpc_bytes bytes = {0};
	json_error_t place;
	json_t *value = json_loads(json, 0, &place);
	char *error;

	if (!value)
		fail_msg("%d:%d: %s", place.line, place.column, place.text);
	if (codec_encode(find_type(schema, type), value, &bytes.data, &bytes.size, &error) < 0)
		fail_msg("%s", error);
	json_decref(value);
	return bytes;
}

struct measured *cli_message_measured(const char *json)
{
	CLEANUP_RPC_BYTES struct rpc_bytes bytes = cli_message_pack("WatchTelemetryResponse", json);
	struct measured *message;

	assert_int_equal(measured_wire_read(&bytes, &message), 0);
	return message;
}

json_t *cli_message_status(const char *json)
{
	CLEANUP_RPC_BYTES struct rpc_bytes bytes = cli_message_pack("GetStatusResponse", json);
	CLEANUP_SCHEMA struct schema *schema = load_schema();
	json_t *value;
	char *error;

	if (codec_decode(find_type(schema, "GetStatusResponse"), bytes.data, bytes.size, true,
			 &value, &error) < 0)
		fail_msg("%s", error);
	return value;
}
