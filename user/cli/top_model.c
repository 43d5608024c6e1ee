/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/top_model.h"

#include <math.h>

#include "cli/json_print.h"
#include "common/util.h"

static void clear_services(struct top_service *services, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < services[i].n; j++)
			free(services[i].shares[j].stack);
		free(services[i].shares);
		free(services[i].name);
	}
	free(services);
}

static void clear_stacks(struct top_stack *stacks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < stacks[i].n; j++)
			free(stacks[i].backends[j].address);
		free(stacks[i].backends);
		free(stacks[i].name);
	}
	free(stacks);
}

static void clear_window(struct top_model *model)
{
	for (size_t i = 0; i < model->messages_n; i++)
		measured_free(model->messages[i]);
	model->messages_n = 0;
	measured_sum_clear(&model->window);
	measured_sum_clear(&model->last);
}

void top_model_clear(struct top_model *model)
{
	clear_window(model);
	free(model->messages);
	clear_services(model->services, model->services_n);
	clear_stacks(model->stacks, model->stacks_n);
	free(model->node);
	*model = (struct top_model){0};
}

const struct top_service *top_model_service(const struct top_model *model, const char *name)
{
	for (size_t i = 0; i < model->services_n; i++)
		if (strcmp(model->services[i].name, name) == 0)
			return &model->services[i];
	return NULL;
}

const struct top_stack *top_model_stack(const struct top_model *model, const char *name)
{
	for (size_t i = 0; i < model->stacks_n; i++)
		if (strcmp(model->stacks[i].name, name) == 0)
			return &model->stacks[i];
	return NULL;
}

const struct measured *top_model_message(const struct top_model *model)
{
	return model->messages_n ? model->messages[model->messages_n - 1] : NULL;
}

static void read_service(const struct top_model *model, const json_t *item, uint64_t now_ms,
			 struct top_service *service)
{
	const json_t *shares = json_object_get(item, "shares");
	const struct top_service *before;
	size_t index;
	json_t *share;

	service->name = util_strdup(json_text_of(item, "name"));
	service->packets = json_number_of(item, "packets");
	service->packets_per_s = NAN;
	before = top_model_service(model, service->name);
	if (before && now_ms > model->status_ms && service->packets >= before->packets)
		service->packets_per_s = (double)(service->packets - before->packets) * 1000 /
					 (double)(now_ms - model->status_ms);
	service->shares = util_calloc(json_array_size(shares), sizeof(*service->shares));
	json_array_foreach(shares, index, share)
	{
		service->shares[service->n++] = (struct top_share){
			.stack = util_strdup(json_text_of(share, "stack")),
			.wanted = json_real_of(share, "wanted_share"),
		};
	}
}

static void read_stack(const json_t *item, struct top_stack *stack)
{
	const json_t *backends = json_object_get(item, "backends");
	double weights = 0;
	size_t index;
	json_t *backend;

	stack->name = util_strdup(json_text_of(item, "name"));
	stack->backends = util_calloc(json_array_size(backends), sizeof(*stack->backends));
	json_array_foreach(backends, index, backend)
		weights += (double)json_number_of(backend, "weight");
	json_array_foreach(backends, index, backend)
	{
		double weight = (double)json_number_of(backend, "weight");
		bool up = json_flag_of(backend, "up");

		stack->up_n += up;
		stack->backends[stack->n++] = (struct top_backend){
			.address = util_strdup(json_text_of(backend, "address")),
			.up = up,
			.wanted = weights > 0 ? weight / weights : NAN,
		};
	}
}

void top_model_set_status(struct top_model *model, const json_t *status, uint64_t now_ms)
{
	const json_t *services = json_object_get(status, "services");
	const json_t *stacks = json_object_get(status, "stacks");
	struct top_service *new_services;
	struct top_stack *new_stacks;
	size_t services_n = json_array_size(services), stacks_n = json_array_size(stacks);

	new_services = util_calloc(services_n, sizeof(*new_services));
	new_stacks = util_calloc(stacks_n, sizeof(*new_stacks));
	for (size_t i = 0; i < services_n; i++)
		read_service(model, json_array_get(services, i), now_ms, &new_services[i]);
	for (size_t i = 0; i < stacks_n; i++)
		read_stack(json_array_get(stacks, i), &new_stacks[i]);
	clear_services(model->services, model->services_n);
	clear_stacks(model->stacks, model->stacks_n);
	free(model->node);
	model->services = new_services;
	model->services_n = services_n;
	model->stacks = new_stacks;
	model->stacks_n = stacks_n;
	model->node = util_strdup(json_text_of(status, "node"));
	model->version = json_number_of(status, "version");
	model->status_ms = now_ms;
}

static void drop_oldest(struct top_model *model)
{
	struct measured *oldest = model->messages[0];

	measured_sum_subtract(&model->window, oldest);
	measured_free(oldest);
	memmove(&model->messages[0], &model->messages[1],
		--model->messages_n * sizeof(struct measured *));
}

void top_model_add(struct top_model *model, struct measured *message)
{
	const struct measured *before = top_model_message(model);

	if (before &&
	    (before->epoch != message->epoch || strcmp(before->node, message->node) != 0 ||
	     message->to_unix_ms < before->to_unix_ms))
		clear_window(model);
	model->messages = util_realloc(model->messages, model->messages_n + 1,
				       sizeof(struct measured *));
	model->messages[model->messages_n++] = message;
	measured_sum_add(&model->window, message);
	while (model->messages_n > 1 &&
	       model->messages[0]->from_unix_ms + TOP_WINDOW_MS < message->to_unix_ms)
		drop_oldest(model);
	measured_sum_clear(&model->last);
	measured_sum_add(&model->last, message);
	model->last_s = message->to_unix_ms > message->from_unix_ms
				? (double)(message->to_unix_ms - message->from_unix_ms) / 1000
				: NAN;
}
