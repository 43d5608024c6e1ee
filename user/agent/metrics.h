/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Metrics in the formats that others read, made in pieces of a bounded size: families, and the
 * values of each in a row. Names are base units, counters end in _total.
 */
#ifndef STEER_METRICS_H
#define STEER_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metrics_format {
	/* Prometheus text format 0.0.4, as its documentation ("Exposition formats") defines it. */
	METRICS_TEXT,
	/*
	 * Prometheus' protobuf format: messages io.prometheus.client.MetricFamily, each behind its
	 * length. A family that goes on in the next piece goes on in a message of its own.
	 */
	METRICS_PROTOBUF,
	/* One OTLP ExportMetricsServiceRequest a piece. */
	METRICS_OTLP,
	METRICS_FORMAT_MAX
};

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_TYPE_MAX };

/* Must live as long as the output that it was given to. */
struct metric_family {
	const char *name;
	enum metric_type type;
	const char *help; /* one line */
};

/*
 * Names are literals, values any text (what is no printable UTF-8 becomes "?"); a NULL value
 * leaves the label out, a NULL name ends them: METRIC_LABELS({"service", name}).
 */
#define METRIC_LABELS_MAX 5
struct metric_labels {
	struct metric_label {
		const char *name, *value;
	} label[METRIC_LABELS_MAX + 1];
};
#define METRIC_LABELS(...) (&(const struct metric_labels){{__VA_ARGS__}})
#define METRIC_NO_LABELS   METRIC_LABELS({NULL, NULL})

/* What OTLP says of every value. */
struct metrics_origin {
	const char *node;    /* host.name */
	const char *version; /* of this program */
	uint64_t start_ns;   /* since 1970: when counters began */
	uint64_t now_ns;     /* since 1970: when values were read */
};

struct metrics_out;

/* The origin must outlive it; NULL will do for the other formats. */
struct metrics_out *metrics_new(enum metrics_format format, const struct metrics_origin *origin);
void metrics_free(struct metrics_out *out); /* accepts NULL */

/* The values to come are this family's. What has no values is not shown. */
void metrics_family(struct metrics_out *out, const struct metric_family *family);

/* For METRIC_COUNTER, for METRIC_GAUGE, and for METRIC_HISTOGRAM: LATENCY_BUCKETS counts. */
void metrics_count(struct metrics_out *out, uint64_t value, const struct metric_labels *labels);
void metrics_gauge(struct metrics_out *out, double value, const struct metric_labels *labels);
void metrics_latency(struct metrics_out *out, const uint64_t *bucket, uint64_t sum_ns,
		     const struct metric_labels *labels);

size_t metrics_size(const struct metrics_out *out); /* bytes of the piece so far, about */

/*
 * The piece, valid until something more is put; what is put from here on is the next piece. The
 * family goes on. NULL and 0 where nothing was put.
 */
const void *metrics_take(struct metrics_out *out, size_t *ret_size);

#endif
