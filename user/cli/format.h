/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Figures as people read them. All write to text, FORMAT_MAX bytes, and return it. */
#ifndef STEER_CLI_FORMAT_H
#define STEER_CLI_FORMAT_H

#include <stdint.h>

#define FORMAT_MAX 32

const char *format_count(uint64_t count, char *text); /* "812", "1.2 k", "34.5 M" */
const char *format_bytes(uint64_t bytes, char *text); /* "812 B", "1.2 kB", powers of 1000 */
const char *format_duration(uint64_t ms, char *text); /* "12 s", "3 min 12 s", "4 d 3 h" */
const char *format_share(double share, char *text);   /* 0.15 is "15.0 %"; never "0 %" above 0 */
/* Three digits: "812 us", "1.23 ms", "30.1 ms", "2.05 s"; "-" for NAN. Negative ones too. */
const char *format_latency(double ns, char *text);
const char *format_latency_short(double ns, char *text); /* the same without the blank */
/* A rate, short: "0", "0.3", "12", "1.2k", "345k", "1.2M"; "-" for NAN. */
const char *format_rate(double rate, char *text);
/* Local time: "2026-03-01 09:05:07.123". */
const char *format_time(uint64_t unix_ms, char *text);

#endif
