/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/histogram.h"

#include <math.h>

#include "common/util.h"

/* Whole nanoseconds; null for what is not known. */
static json_t *json_ns(double ns)
{
	return isfinite(ns) ? json_integer((json_int_t)llround(ns)) : json_null();
}

static json_t *json_counters(const struct measured_counters *counters)
{
	json_t *object = json_object();

	for (size_t i = 0; i < counters->n; i++)
		json_object_set_new(object, counters->item[i].name,
				    json_integer((json_int_t)counters->item[i].value));
	return object;
}

static json_t *json_buckets(const struct distribution *d)
{
	json_t *list = json_array();

	for (size_t i = 0; i < LATENCY_BUCKETS; i++)
		if (d->bucket[i])
			json_array_append_new(list,
					      json_pack("{s:o, s:o, s:I}", "from_ns",
							json_ns(distribution_floor_ns(i)), "to_ns",
							json_ns(distribution_ceiling_ns(i)),
							"count", (json_int_t)d->bucket[i]));
	return list;
}

static json_t *json_distribution(const struct distribution *d)
{
	/* Of compare_quantiles. A point in a key would need quotes in jq. */
	static const char *const names[COMPARE_QUANTILES] = {"p50_ns", "p90_ns", "p99_ns",
							     "p999_ns"};
	json_t *object = json_pack("{s:I, s:o}", "count", (json_int_t)distribution_total(d),
				   "mean_ns", json_ns(distribution_mean_ns(d)));

	for (size_t q = 0; q < COMPARE_QUANTILES; q++)
		json_object_set_new(object, names[q],
				    json_ns(distribution_quantile_ns(d, compare_quantiles[q])));
	json_object_set_new(object, "buckets", json_buckets(d));
	return object;
}

/* The latencies by kind, and what goes with them. */
static json_t *json_series(const struct histogram *histogram, const struct measured_filter *filter)
{
	CLEANUP_MEASURED_COUNTERS struct measured_counters errors = {0}, left_out = {0};
	json_t *kinds = json_object(), *object;

	for (size_t kind = 0; kind < MEASURED_KIND_MAX; kind++) {
		struct distribution d;

		measured_sum_distribution(&histogram->sum, filter, (enum measured_kind)kind, &d);
		if (histogram_wants(histogram, (enum measured_kind)kind) && distribution_total(&d))
			json_object_set_new(kinds, measured_kind_names[kind],
					    json_distribution(&d));
	}
	measured_sum_counters(&histogram->sum, filter, &errors, &left_out);
	object = json_pack("{s:s, s:s}", "service", filter->service ?: "", "stack",
			   filter->stack ?: "");
	if (filter->backend)
		json_object_set_new(object, "backend", json_string(filter->backend));
	json_object_set_new(object, "latencies", kinds);
	json_object_set_new(object, "errors", json_counters(&errors));
	json_object_set_new(object, "left_out", json_counters(&left_out));
	return object;
}

/* Each service and stack that passes the filter. */
static json_t *json_all_series(const struct histogram *histogram)
{
	const struct measured_total *before = NULL;
	json_t *list = json_array();

	for (size_t i = 0; i < histogram->sum.n; i++) {
		const struct measured_total *total = histogram->sum.totals[i];
		struct measured_filter of_stack = {total->service, total->stack, NULL};
		struct measured_filter asked = histogram->filter;

		asked.backend = NULL;
		if (!*total->service || !measured_matches(&asked, total) ||
		    (before && measured_matches(&of_stack, before)))
			continue;
		before = total;
		of_stack.backend = histogram->filter.backend;
		json_array_append_new(list, json_series(histogram, &of_stack));
	}
	return list;
}

static json_t *json_bounds(const struct distribution_bounds *bounds)
{
	return json_pack("[o, o]", json_ns(bounds->low_ns), json_ns(bounds->high_ns));
}

static json_t *json_quantile(const struct compare_quantile *quantile)
{
	return json_pack("{s:f, s:[o, o], s:[o, o], s:o, s:b}", "quantile", quantile->p, "ns",
			 json_ns(quantile->ns[0]), json_ns(quantile->ns[1]), "bounds_ns",
			 json_bounds(&quantile->bounds[0]), json_bounds(&quantile->bounds[1]),
			 "difference_ns", json_ns(quantile->ns[1] - quantile->ns[0]), "told_apart",
			 quantile->is_apart);
}

static json_t *json_comparison(const struct histogram *histogram, enum measured_kind kind)
{
	CLEANUP_FREE char *verdict = NULL;
	json_t *quantiles = json_array();
	struct distribution d[2];
	struct compare compare;

	for (size_t i = 0; i < 2; i++) {
		struct measured_filter filter = histogram_filter(histogram, i);

		measured_sum_distribution(&histogram->sum, &filter, kind, &d[i]);
	}
	compare_distributions(&d[0], &d[1], &compare);
	for (size_t q = 0; q < COMPARE_QUANTILES; q++)
		json_array_append_new(quantiles, json_quantile(&compare.quantile[q]));
	verdict = compare_verdict(&compare, histogram->compared[0], histogram->compared[1]);
	verdict[strlen(verdict) - 1] = '\0';
	return json_pack("{s:s, s:[s, s], s:[o, o], s:b, s:o, s:f, s:f, s:s}", "kind",
			 measured_kind_names[kind], "stacks", histogram->compared[0],
			 histogram->compared[1], "of", json_distribution(&d[0]),
			 json_distribution(&d[1]), "told_apart", compare.differs, "quantiles",
			 quantiles, "ks_distance", compare.ks_distance, "ks_probability",
			 compare.ks_probability, "verdict", verdict);
}

static json_t *json_comparisons(const struct histogram *histogram)
{
	json_t *list = json_array();

	for (size_t kind = 0; kind < MEASURED_KIND_MAX; kind++)
		if (histogram_wants(histogram, (enum measured_kind)kind) &&
		    histogram_samples(histogram, (enum measured_kind)kind))
			json_array_append_new(list,
					      json_comparison(histogram, (enum measured_kind)kind));
	return list;
}

json_t *histogram_json(const struct histogram *histogram)
{
	char epoch[17];
	json_t *object;

	snprintf(epoch, sizeof(epoch), "%016llx", (unsigned long long)histogram->epoch);
	object = json_pack("{s:s, s:s, s:I, s:I, s:i}", "node", histogram->node ?: "", "epoch",
			   epoch, "from_unix_ms", (json_int_t)histogram->from_unix_ms, "to_unix_ms",
			   (json_int_t)histogram->to_unix_ms, "sample_one_in",
			   (int)histogram->sample_one_in);
	if (histogram->compared[0])
		json_object_set_new(object, "comparisons", json_comparisons(histogram));
	else
		json_object_set_new(object, "series", json_all_series(histogram));
	return object;
}
