/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/probe_result.h"

#include "agent/probe_stream.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum probe_result probe_fail(char detail[PROBE_DETAIL_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(detail, PROBE_DETAIL_MAX, format, args);
	va_end(args);
	return PROBE_FAILED;
}

/* Errors that say something about this host, nothing about the backend. */
static bool is_local_error(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
		return true;
	default:
		return false;
	}
}

enum probe_result probe_fail_errno(char detail[PROBE_DETAIL_MAX], int error)
{
	probe_fail(detail, "%s", strerror(error));
	detail[0] = (char)tolower(detail[0]);
	return is_local_error(error) ? PROBE_SKIPPED : PROBE_FAILED;
}

enum probe_result probe_fail_stream(char detail[PROBE_DETAIL_MAX],
				    const struct probe_stream *stream, int error)
{
	if (error == -EAGAIN)
		return PROBE_PENDING;
	if (error == -EPROTO && stream->tls_error)
		return probe_fail(detail, "TLS: %s", stream->tls_error);
	return probe_fail_errno(detail, -error);
}
