/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Messages of a daemon for tests of steerctl, written as JSON and read from the wire. */
#ifndef STEER_TEST_CLI_MESSAGES_H
#define STEER_TEST_CLI_MESSAGES_H

#include <jansson.h>

#include "cli/measured.h"
#include "rpc/client.h"

/* Packs a message of steerd.v1. What is wrong with it fails the test. The caller clears. */
struct rpc_bytes cli_message_pack(const char *type, const char *json);

/* A WatchTelemetryResponse; the caller frees. */
struct measured *cli_message_measured(const char *json);

/* A GetStatusResponse as steerctl sees it; the caller's reference. */
json_t *cli_message_status(const char *json);

#endif
