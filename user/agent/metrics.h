/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prometheus text format 0.0.4, as its documentation ("Exposition formats") defines it. A family
 * comes first, once, and all of its values follow before the next family. Names are base units,
 * counters end in _total. Write errors stay in the FILE, see ferror().
 */
#ifndef STEER_METRICS_H
#define STEER_METRICS_H

#include <stdint.h>
#include <stdio.h>

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_TYPE_MAX };

void metrics_family(FILE *out, const char *name, enum metric_type type, const char *help);

/*
 * One value. Labels as (name, value) pairs of const char *, ended by NULL; names are literals,
 * values any text (what is no printable UTF-8 becomes "?"); a NULL value leaves the label out.
 */
void metrics_count(FILE *out, const char *name, uint64_t value, ...) __attribute__((sentinel));
void metrics_gauge(FILE *out, const char *name, double value, ...) __attribute__((sentinel));

#endif
