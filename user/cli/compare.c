/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/compare.h"

#include <inttypes.h>
#include <math.h>

#include "cli/format.h"
#include "common/util.h"

#define DOUBT 0.01 /* the chance of a wrong word that is accepted */

const double compare_quantiles[COMPARE_QUANTILES] = {0.5, 0.9, 0.99, 0.999};
const char *const compare_quantile_names[COMPARE_QUANTILES] = {"p50", "p90", "p99", "p99.9"};

static bool are_apart(const struct distribution_bounds *a, const struct distribution_bounds *b)
{
	return a->high_ns <= b->low_ns || b->high_ns <= a->low_ns;
}

void compare_distributions(const struct distribution *a, const struct distribution *b,
			   struct compare *ret)
{
	const struct distribution *d[2] = {a, b};
	struct compare compare = {0};
	/* Bonferroni: the doubts of all intervals add up to at most DOUBT. */
	double confidence = 1 - DOUBT / (2 * COMPARE_QUANTILES);

	for (size_t i = 0; i < 2; i++) {
		compare.n[i] = distribution_total(d[i]);
		compare.mean_ns[i] = distribution_mean_ns(d[i]);
	}
	compare.ks_probability = distribution_ks(a, b, &compare.ks_distance);
	compare.differs = compare.ks_probability < DOUBT;
	for (size_t q = 0; q < COMPARE_QUANTILES; q++) {
		struct compare_quantile *quantile = &compare.quantile[q];

		quantile->name = compare_quantile_names[q];
		quantile->p = compare_quantiles[q];
		for (size_t i = 0; i < 2; i++) {
			quantile->ns[i] = distribution_quantile_ns(d[i], quantile->p);
			quantile->bounds[i] = distribution_bounds(d[i], quantile->p, confidence);
		}
		quantile->is_apart = are_apart(&quantile->bounds[0], &quantile->bounds[1]);
		compare.differs |= quantile->is_apart;
	}
	*ret = compare;
}

/* "1.18-1.31 ms", "980 us-1.05 ms", "above 1.18 ms", "below 1.31 ms". */
static char *range_text(const struct distribution_bounds *bounds)
{
	char low[FORMAT_MAX], high[FORMAT_MAX], *unit;

	format_latency(bounds->low_ns, low);
	format_latency(bounds->high_ns, high);
	if (isinf(bounds->high_ns))
		return util_format("above %s", low);
	if (bounds->low_ns == 0)
		return util_format("below %s", high);
	unit = strchr(low, ' ');
	if (unit && strcmp(unit, strchr(high, ' ') ?: "") == 0)
		*unit = '\0';
	return util_format("%s-%s", low, high);
}

static char *quantile_sentence(const struct compare_quantile *quantile, const char *a,
			       const char *b)
{
	CLEANUP_FREE char *range_a = range_text(&quantile->bounds[0]);
	CLEANUP_FREE char *range_b = range_text(&quantile->bounds[1]);
	double difference = quantile->ns[1] - quantile->ns[0];
	char text[FORMAT_MAX];

	return util_format("%s's %s is %s %s %s's (%s %s, %s %s, with 99 %% confidence).\n", b,
			   quantile->name, format_latency(fabs(difference), text),
			   difference < 0 ? "below" : "above", a, a, range_a, b, range_b);
}

static char *other_sentence(const struct compare *compare, const char *a, const char *b)
{
	if (!compare->n[0] || !compare->n[1])
		return util_format("%s and %s cannot be compared: %s has no samples.\n", a, b,
				   compare->n[0] ? b : a);
	if (compare->differs)
		return util_format(
			"%s and %s differ with 99 %% confidence (their shares below some "
			"latency by %.1f %%), but no percentile by more than the "
			"histogram tells apart.\n",
			a, b, compare->ks_distance * 100);
	return util_format("%s and %s are not told apart with 99 %% confidence (%" PRIu64
			   " and %" PRIu64 " samples).\n",
			   a, b, compare->n[0], compare->n[1]);
}

char *compare_verdict(const struct compare *compare, const char *a, const char *b)
{
	CLEANUP_FREE char *text = util_strdup("");

	for (size_t q = 0; q < COMPARE_QUANTILES; q++) {
		if (compare->quantile[q].is_apart) {
			CLEANUP_FREE char *sentence = quantile_sentence(&compare->quantile[q], a,
									b);
			CLEANUP_FREE char *before = text;

			text = util_format("%s%s", before, sentence);
		}
	}
	return *text ? TAKE(text) : other_sentence(compare, a, b);
}
