/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What `steerctl top -o json` prints of the model. */
#include <math.h>

#include "cli/top_model.h"
#include "common/util.h"

static json_t *json_figure(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *json_latency(const double ns[2])
{
	return json_pack("{s:o, s:o}", "p50_ns", json_figure(ns[0]), "p99_ns", json_figure(ns[1]));
}

/* `name`: of which level it is. `answers`: the row of the response time, where the rest is equal. */
static json_t *json_row(const struct top_row *row, const struct top_row *answers, const char *name)
{
	json_t *object = json_pack(
		"{s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "name", name, "backends_up",
		(json_int_t)row->up_n, "backends", (json_int_t)row->backends_n, "wanted_share",
		json_figure(row->wanted), "seen_share", json_figure(row->seen), "new_flows_per_s",
		json_figure(row->flows_per_s), "packets_per_s", json_figure(row->packets_per_s));

	json_object_set_new(object, "connect", json_latency(row->connect_ns));
	json_object_set_new(object, "service", json_latency(row->answer_ns));
	json_object_set_new(object, "response", json_latency(answers->answer_ns));
	json_object_set_new(object, "syn_retransmits_per_s",
			    json_figure(row->syn_retransmits_per_s));
	json_object_set_new(object, "resets_per_s", json_figure(row->resets_per_s));
	json_object_set_new(object, "abandoned_per_s", json_figure(row->abandoned_per_s));
	return object;
}

static json_t *json_backends(const struct top_model *model, const struct top_row *of)
{
	CLEANUP_FREE struct top_row *rows = NULL, *answers = NULL;
	size_t n = top_model_rows(model, of->service, of->stack, MEASURED_SERVICE, &rows);
	json_t *list = json_array();

	top_model_rows(model, of->service, of->stack, MEASURED_RESPONSE, &answers);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_row(&rows[i], &answers[i], rows[i].backend));
	return list;
}

static json_t *json_services(const struct top_model *model)
{
	CLEANUP_FREE struct top_row *rows = NULL, *answers = NULL;
	size_t n = top_model_rows(model, NULL, NULL, MEASURED_SERVICE, &rows);
	json_t *services = json_array(), *stacks = NULL;

	top_model_rows(model, NULL, NULL, MEASURED_RESPONSE, &answers);
	for (size_t i = 0; i < n; i++) {
		json_t *object;

		if (rows[i].level == TOP_SERVICE) {
			object = json_row(&rows[i], &answers[i], rows[i].service);
			stacks = json_array();
			json_object_set_new(object, "stacks", stacks);
			json_array_append_new(services, object);
		} else if (stacks) {
			object = json_row(&rows[i], &answers[i], rows[i].stack);
			json_object_set_new(object, "backend_list", json_backends(model, &rows[i]));
			json_array_append_new(stacks, object);
		}
	}
	return services;
}

json_t *top_model_json(const struct top_model *model)
{
	const struct measured *message = top_model_message(model);

	return json_pack("{s:s, s:I, s:I, s:I, s:i, s:o}", "node", model->node ?: "", "version",
			 (json_int_t)model->version, "from_unix_ms",
			 (json_int_t)(message ? message->from_unix_ms : 0), "to_unix_ms",
			 (json_int_t)(message ? message->to_unix_ms : 0), "sample_one_in",
			 (int)(message ? message->sample_one_in : 0), "services",
			 json_services(model));
}
