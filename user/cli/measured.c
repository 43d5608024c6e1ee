/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/measured.h"

#include "common/util.h"

const char *const measured_kind_names[MEASURED_KIND_MAX] = {
	[MEASURED_CONNECT] = "connect",
	[MEASURED_RESPONSE] = "response",
	[MEASURED_SERVICE] = "service",
	[MEASURED_LAST_BYTE] = "last-byte",
	[MEASURED_QUIC_HANDSHAKE] = "quic-handshake",
	[MEASURED_QUIC_SPIN] = "quic-spin",
};

uint64_t measured_counter(const struct measured_counters *counters, const char *name)
{
	for (size_t i = 0; i < counters->n; i++)
		if (strcmp(counters->item[i].name, name) == 0)
			return counters->item[i].value;
	return 0;
}

/* `value` may be a negative number modulo 2^64. */
void measured_counters_add(struct measured_counters *counters, const char *name, uint64_t value)
{
	for (size_t i = 0; i < counters->n; i++) {
		if (strcmp(counters->item[i].name, name) == 0) {
			counters->item[i].value += value;
			return;
		}
	}
	counters->item = util_realloc(counters->item, counters->n + 1, sizeof(*counters->item));
	counters->item[counters->n++] = (struct measured_counter){util_strdup(name), value};
}

void measured_counters_clear(struct measured_counters *counters)
{
	for (size_t i = 0; i < counters->n; i++)
		free(counters->item[i].name);
	free(counters->item);
	*counters = (struct measured_counters){0};
}

static void clear_item(struct measured_item *item)
{
	for (size_t i = 0; i < item->latencies_n; i++) {
		free(item->latencies[i].bucket);
		free(item->latencies[i].bucket_count);
	}
	free(item->latencies);
	measured_counters_clear(&item->errors);
	measured_counters_clear(&item->left_out);
	measured_counters_clear(&item->flows);
	free(item->service);
	free(item->stack);
	free(item->backend);
}

void measured_free(struct measured *message)
{
	if (!message)
		return;
	for (size_t i = 0; i < message->n; i++)
		clear_item(&message->items[i]);
	free(message->items);
	free(message->node);
	free(message);
}

void measured_append(struct measured *message, struct measured *part)
{
	message->items = util_realloc(message->items, message->n + part->n,
				      sizeof(*message->items));
	memcpy(&message->items[message->n], part->items, part->n * sizeof(*part->items));
	message->n += part->n;
	message->to_unix_ms = part->to_unix_ms;
	message->sample_one_in = part->sample_one_in;
	message->more = part->more;
	part->n = 0;
}

static void free_total(struct measured_total *total)
{
	for (size_t i = 0; i < MEASURED_KIND_MAX; i++)
		free(total->kinds[i]);
	measured_counters_clear(&total->errors);
	measured_counters_clear(&total->left_out);
	measured_counters_clear(&total->flows);
	free(total->service);
	free(total->stack);
	free(total->backend);
	free(total);
}

void measured_sum_clear(struct measured_sum *sum)
{
	for (size_t i = 0; i < sum->n; i++)
		free_total(sum->totals[i]);
	free(sum->totals);
	*sum = (struct measured_sum){0};
}

static int compare(const struct measured_total *total, const char *service, const char *stack,
		   const char *backend)
{
	int order = strcmp(total->service, service);

	if (!order)
		order = strcmp(total->stack, stack);
	return order ?: strcmp(total->backend, backend);
}

/* The first that is not less. */
static size_t lower_bound(const struct measured_sum *sum, const char *service, const char *stack,
			  const char *backend)
{
	size_t low = 0, high = sum->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(sum->totals[middle], service, stack, backend) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct measured_total *find_or_add(struct measured_sum *sum,
					  const struct measured_item *item)
{
	size_t at = lower_bound(sum, item->service, item->stack, item->backend);
	struct measured_total *total;

	if (at < sum->n && compare(sum->totals[at], item->service, item->stack, item->backend) == 0)
		return sum->totals[at];
	sum->totals = util_realloc(sum->totals, sum->n + 1, sizeof(struct measured_total *));
	memmove(&sum->totals[at + 1], &sum->totals[at],
		(sum->n - at) * sizeof(struct measured_total *));
	total = util_calloc(1, sizeof(*total));
	total->service = util_strdup(item->service);
	total->stack = util_strdup(item->stack);
	total->backend = util_strdup(item->backend);
	sum->totals[at] = total;
	sum->n++;
	return total;
}

static void add_latency(struct measured_total *total, const struct measured_latency *latency,
			uint64_t sign)
{
	struct distribution **d = &total->kinds[latency->kind];

	if (!*d)
		*d = util_calloc(1, sizeof(**d));
	(*d)->count += sign * latency->count;
	(*d)->sum_ns += sign * latency->sum_ns;
	for (size_t i = 0; i < latency->n; i++)
		(*d)->bucket[latency->bucket[i]] += sign * latency->bucket_count[i];
}

static void add_counters(struct measured_counters *to, const struct measured_counters *more,
			 uint64_t sign)
{
	for (size_t i = 0; i < more->n; i++)
		measured_counters_add(to, more->item[i].name, sign * more->item[i].value);
}

/* sign: 1, or -1 modulo 2^64. */
static void add_message(struct measured_sum *sum, const struct measured *message, uint64_t sign)
{
	for (size_t i = 0; i < message->n; i++) {
		const struct measured_item *item = &message->items[i];
		struct measured_total *total = find_or_add(sum, item);

		for (size_t j = 0; j < item->latencies_n; j++)
			add_latency(total, &item->latencies[j], sign);
		add_counters(&total->errors, &item->errors, sign);
		add_counters(&total->left_out, &item->left_out, sign);
		add_counters(&total->flows, &item->flows, sign);
		total->packets += sign * item->packets;
		total->bytes += sign * item->bytes;
		total->new_flows += sign * item->new_flows;
		if (sign == 1 && item->has_share)
			total->wanted_share = item->wanted_share;
	}
}

void measured_sum_add(struct measured_sum *sum, const struct measured *message)
{
	add_message(sum, message, 1);
}

void measured_sum_subtract(struct measured_sum *sum, const struct measured *message)
{
	add_message(sum, message, -1ULL);
}

static bool is_or_any(const char *wanted, const char *text)
{
	return !wanted || strcmp(wanted, text) == 0;
}

bool measured_matches(const struct measured_filter *filter, const struct measured_total *total)
{
	return is_or_any(filter->service, total->service) &&
	       is_or_any(filter->stack, total->stack) && is_or_any(filter->backend, total->backend);
}

/* The first of the totals that could match. */
static size_t begin_of(const struct measured_sum *sum, const struct measured_filter *filter)
{
	if (!filter->service)
		return 0;
	return lower_bound(sum, filter->service, filter->stack ?: "", "");
}

/* Whether totals[i] lies behind all that could match. */
static bool is_past(const struct measured_sum *sum, size_t i, const struct measured_filter *filter)
{
	return i == sum->n ||
	       (filter->service && strcmp(sum->totals[i]->service, filter->service) != 0);
}

const struct measured_total *measured_sum_find(const struct measured_sum *sum, const char *service,
					       const char *stack, const char *backend)
{
	size_t at = lower_bound(sum, service, stack, backend);

	if (at == sum->n || compare(sum->totals[at], service, stack, backend) != 0)
		return NULL;
	return sum->totals[at];
}

void measured_sum_distribution(const struct measured_sum *sum, const struct measured_filter *filter,
			       enum measured_kind kind, struct distribution *ret)
{
	*ret = (struct distribution){0};
	for (size_t i = begin_of(sum, filter); !is_past(sum, i, filter); i++)
		if (measured_matches(filter, sum->totals[i]) && sum->totals[i]->kinds[kind])
			distribution_add(ret, sum->totals[i]->kinds[kind]);
}

void measured_sum_counters(const struct measured_sum *sum, const struct measured_filter *filter,
			   struct measured_counters *ret_errors,
			   struct measured_counters *ret_left_out)
{
	for (size_t i = begin_of(sum, filter); !is_past(sum, i, filter); i++) {
		if (!measured_matches(filter, sum->totals[i]))
			continue;
		add_counters(ret_errors, &sum->totals[i]->errors, 1);
		add_counters(ret_left_out, &sum->totals[i]->left_out, 1);
	}
}
