/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows of `steerctl top` out of its model. */
#include <math.h>

#include "cli/top_model.h"
#include "common/util.h"

double top_row_errors(const struct top_row *row)
{
	return row->syn_retransmits_per_s + row->resets_per_s + row->abandoned_per_s;
}

static void set_latency(const struct distribution *d, double ret_ns[2])
{
	ret_ns[0] = distribution_quantile_ns(d, 0.5);
	ret_ns[1] = distribution_quantile_ns(d, 0.99);
}

/* Of TCP, or of UDP where only that was measured. */
static void set_latencies(const struct top_model *model, const struct measured_filter *filter,
			  enum measured_kind answer, struct top_row *row)
{
	struct distribution d;

	measured_sum_distribution(&model->window, filter, MEASURED_CONNECT, &d);
	if (!distribution_total(&d))
		measured_sum_distribution(&model->window, filter, MEASURED_QUIC_HANDSHAKE, &d);
	set_latency(&d, row->connect_ns);
	measured_sum_distribution(&model->window, filter, answer, &d);
	if (!distribution_total(&d))
		measured_sum_distribution(&model->window, filter, MEASURED_QUIC_SPIN, &d);
	set_latency(&d, row->answer_ns);
}

static void set_abandoned(const struct top_model *model, const struct measured_filter *filter,
			  struct top_row *row)
{
	CLEANUP_MEASURED_COUNTERS struct measured_counters errors = {0}, left_out = {0};
	const struct measured *message = top_model_message(model);

	if (!message)
		return;
	measured_sum_counters(&model->last, filter, &errors, &left_out);
	row->abandoned_per_s = (double)measured_counter(&errors, "abandoned") *
			       message->sample_one_in / model->last_s;
}

/* What was counted of all flows to a backend in the last message, onto the row. */
static void add_flows(const struct top_model *model, const char *stack, const char *backend,
		      struct top_row *row)
{
	const struct measured_total *total = measured_sum_find(&model->last, "", stack, backend);

	if (!total)
		return;
	row->packets_per_s += (double)total->packets / model->last_s;
	row->syn_retransmits_per_s += (double)measured_counter(&total->flows, "syn_retransmits") /
				      model->last_s;
	row->resets_per_s += (double)(measured_counter(&total->flows, "resets") +
				      measured_counter(&total->flows, "resets_connecting")) /
			     model->last_s;
}

static void add_stack(const struct top_model *model, const char *name, struct top_row *row)
{
	const struct top_stack *stack = top_model_stack(model, name);

	for (size_t i = 0; stack && i < stack->n; i++)
		add_flows(model, name, stack->backends[i].address, row);
	if (stack) {
		row->up_n += stack->up_n;
		row->backends_n += stack->n;
	}
}

/* New flows of a service to a stack. */
static double new_flows(const struct measured_sum *sum, const char *service, const char *stack)
{
	const struct measured_total *total = measured_sum_find(sum, service, stack, "");

	return total ? (double)total->new_flows : 0;
}

static double service_flows(const struct measured_sum *sum, const struct top_service *service)
{
	double flows = 0;

	for (size_t i = 0; i < service->n; i++)
		flows += new_flows(sum, service->name, service->shares[i].stack);
	return flows;
}

static struct top_row begin_row(const struct top_model *model, enum top_level level,
				const char *service, const char *stack, const char *backend)
{
	/* Without a message no rate is known. */
	double none = top_model_message(model) ? 0 : NAN;

	return (struct top_row){
		.level = level,
		.service = service,
		.stack = stack,
		.backend = backend,
		.wanted = NAN,
		.seen = NAN,
		.flows_per_s = none,
		.packets_per_s = none,
		.syn_retransmits_per_s = none,
		.resets_per_s = none,
		.abandoned_per_s = none,
	};
}

static struct top_row service_row(const struct top_model *model, const struct top_service *service,
				  enum measured_kind answer)
{
	const struct measured_filter filter = {.service = service->name};
	struct top_row row = begin_row(model, TOP_SERVICE, service->name, "", "");

	for (size_t i = 0; i < service->n; i++)
		add_stack(model, service->shares[i].stack, &row);
	row.packets_per_s = service->packets_per_s;
	row.flows_per_s += service_flows(&model->last, service) / model->last_s;
	set_latencies(model, &filter, answer, &row);
	set_abandoned(model, &filter, &row);
	return row;
}

static struct top_row stack_row(const struct top_model *model, const struct top_service *service,
				const struct top_share *share, enum measured_kind answer)
{
	const struct measured_filter filter = {.service = service->name, .stack = share->stack};
	struct top_row row = begin_row(model, TOP_STACK, service->name, share->stack, "");
	double all = service_flows(&model->window, service);

	add_stack(model, share->stack, &row);
	row.wanted = share->wanted;
	if (all > 0)
		row.seen = new_flows(&model->window, service->name, share->stack) / all;
	row.flows_per_s += new_flows(&model->last, service->name, share->stack) / model->last_s;
	set_latencies(model, &filter, answer, &row);
	set_abandoned(model, &filter, &row);
	return row;
}

/* SYNs that began a flow. */
static double backend_flows(const struct measured_sum *sum, const char *stack, const char *backend)
{
	const struct measured_total *total = measured_sum_find(sum, "", stack, backend);

	return total ? (double)measured_counter(&total->flows, "syns") : 0;
}

/* all: new flows of the stack in the window. */
static struct top_row backend_row(const struct top_model *model, const char *service,
				  const struct top_stack *stack, const struct top_backend *backend,
				  double all, enum measured_kind answer)
{
	const struct measured_filter filter = {service, stack->name, backend->address};
	struct top_row row = begin_row(model, TOP_BACKEND, service, stack->name, backend->address);

	row.up_n = backend->up;
	row.backends_n = 1;
	row.wanted = backend->wanted;
	if (all > 0)
		row.seen = backend_flows(&model->window, stack->name, backend->address) / all;
	row.flows_per_s += backend_flows(&model->last, stack->name, backend->address) /
			   model->last_s;
	add_flows(model, stack->name, backend->address, &row);
	set_latencies(model, &filter, answer, &row);
	set_abandoned(model, &filter, &row);
	return row;
}

static size_t all_rows(const struct top_model *model, enum measured_kind answer,
		       struct top_row **ret_rows)
{
	struct top_row *rows;
	size_t n = 0;

	for (size_t i = 0; i < model->services_n; i++)
		n += 1 + model->services[i].n;
	rows = util_calloc(n, sizeof(*rows));
	n = 0;
	for (size_t i = 0; i < model->services_n; i++) {
		const struct top_service *service = &model->services[i];

		rows[n++] = service_row(model, service, answer);
		for (size_t j = 0; j < service->n; j++)
			rows[n++] = stack_row(model, service, &service->shares[j], answer);
	}
	*ret_rows = rows;
	return n;
}

static size_t stack_rows(const struct top_model *model, const char *name, enum measured_kind answer,
			 struct top_row **ret_rows)
{
	const struct top_service *service = top_model_service(model, name);
	size_t n = service ? service->n : 0;
	struct top_row *rows = util_calloc(n, sizeof(*rows));

	for (size_t i = 0; i < n; i++)
		rows[i] = stack_row(model, service, &service->shares[i], answer);
	*ret_rows = rows;
	return n;
}

static size_t backend_rows(const struct top_model *model, const char *service, const char *name,
			   enum measured_kind answer, struct top_row **ret_rows)
{
	const struct top_stack *stack = top_model_stack(model, name);
	size_t n = stack ? stack->n : 0;
	struct top_row *rows = util_calloc(n, sizeof(*rows));
	double all = 0;

	for (size_t i = 0; i < n; i++)
		all += backend_flows(&model->window, name, stack->backends[i].address);
	for (size_t i = 0; i < n; i++)
		rows[i] = backend_row(model, service, stack, &stack->backends[i], all, answer);
	*ret_rows = rows;
	return n;
}

size_t top_model_rows(const struct top_model *model, const char *service, const char *stack,
		      enum measured_kind answer, struct top_row **ret_rows)
{
	if (!service)
		return all_rows(model, answer, ret_rows);
	if (!stack)
		return stack_rows(model, service, answer, ret_rows);
	return backend_rows(model, service, stack, answer, ret_rows);
}
