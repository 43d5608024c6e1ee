/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The messages of grpc.health.v1 as gRPC sends them: five bytes of length, then protobuf. Pure. */
#ifndef STEER_GRPC_HEALTH_H
#define STEER_GRPC_HEALTH_H

#include <stddef.h>
#include <stdint.h>

#define GRPC_HEALTH_REPLY_MAX 64 /* bytes that an answer may have; two are wanted */

/* The request for this service, "" for the server as a whole; the caller frees *ret_data. */
void grpc_health_request(const char *service, uint8_t **ret_data, size_t *ret_size);

/* 0: it serves; -EBADMSG: no such message; -EAGAIN: *ret_status is the name of what it does. */
int grpc_health_judge(const uint8_t *data, size_t size, const char **ret_status);

#endif
