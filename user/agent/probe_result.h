/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a health check, or a part of one, ended, and in which words. */
#ifndef STEER_PROBE_RESULT_H
#define STEER_PROBE_RESULT_H

#define PROBE_DETAIL_MAX 96

enum probe_result {
	PROBE_PENDING,
	PROBE_PASSED,
	PROBE_FAILED,  /* the other end's fault, or the way's: the detail says what */
	PROBE_SKIPPED, /* this host could not make the check: the detail says why */
};

struct probe_stream;

/* Writes the detail; PROBE_FAILED. Longer ones are cut. */
enum probe_result probe_fail(char detail[PROBE_DETAIL_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same for an errno of a socket, which may mean that it is this host that failed. */
enum probe_result probe_fail_errno(char detail[PROBE_DETAIL_MAX], int error);

/* The same for a negative result of probe_stream.h; PROBE_PENDING for -EAGAIN. */
enum probe_result probe_fail_stream(char detail[PROBE_DETAIL_MAX],
				    const struct probe_stream *stream, int error);

#endif
