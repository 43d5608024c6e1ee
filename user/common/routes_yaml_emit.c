/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/routes_yaml.h"

#include <errno.h>
#include <yaml.h>

#include "common/text.h"
#include "common/util.h"

/* Once `failed`, every call does nothing. */
struct writer {
	yaml_emitter_t emitter;
	FILE *out;
	bool failed;
};

static int write_out(void *userdata, unsigned char *data, size_t size)
{
	return fwrite(data, 1, size, ((struct writer *)userdata)->out) == size;
}

static void emit(struct writer *w, yaml_event_t *event, int initialized)
{
	/* Emitting frees the event either way. */
	if (!initialized || w->failed || !yaml_emitter_emit(&w->emitter, event))
		w->failed = true;
}

static void put_scalar(struct writer *w, const char *text, yaml_scalar_style_t style)
{
	yaml_event_t event;

	if (w->failed)
		return;
	emit(w, &event,
	     yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, -1, 1, 1,
					  style));
}

/* Words and numbers of ours; free text is quoted, so that it cannot be taken for another thing. */
static void put_word(struct writer *w, const char *text)
{
	put_scalar(w, text, YAML_ANY_SCALAR_STYLE);
}

static void put_text(struct writer *w, const char *text)
{
	put_scalar(w, text, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

static void put_number(struct writer *w, uint32_t number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	put_word(w, text);
}

static void put_duration(struct writer *w, uint32_t ms)
{
	char text[TEXT_DURATION_MAX];

	put_word(w, text_duration(ms, text));
}

static void put_address(struct writer *w, const struct address *address)
{
	char text[ADDRESS_TEXT_MAX];

	put_word(w, address_text(address, text));
}

static void begin_map(struct writer *w, bool one_line)
{
	yaml_event_t event;

	if (w->failed)
		return;
	emit(w, &event,
	     yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
						 one_line ? YAML_FLOW_MAPPING_STYLE
							  : YAML_BLOCK_MAPPING_STYLE));
}

static void end_map(struct writer *w)
{
	yaml_event_t event;

	if (!w->failed)
		emit(w, &event, yaml_mapping_end_event_initialize(&event));
}

static void begin_list(struct writer *w, bool one_line)
{
	yaml_event_t event;

	if (w->failed)
		return;
	emit(w, &event,
	     yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
						  one_line ? YAML_FLOW_SEQUENCE_STYLE
							   : YAML_BLOCK_SEQUENCE_STYLE));
}

static void end_list(struct writer *w)
{
	yaml_event_t event;

	if (!w->failed)
		emit(w, &event, yaml_sequence_end_event_initialize(&event));
}

static void put_status(struct writer *w, const struct health_spec *health)
{
	char text[16];

	snprintf(text, sizeof(text), "%u-%u", health->status_min, health->status_max);
	put_word(w, "status");
	if (health->status_min == health->status_max)
		put_number(w, health->status_min);
	else
		put_word(w, text);
}

static void put_optional(struct writer *w, const char *key, const char *text)
{
	if (!text)
		return;
	put_word(w, key);
	put_text(w, text);
}

static void put_health(struct writer *w, const struct health_spec *health)
{
	static const char *const types[] = {
		[HEALTH_TCP] = "tcp", [HEALTH_HTTP] = "http", [HEALTH_GRPC] = "grpc"};

	put_word(w, "health");
	begin_map(w, true);
	put_word(w, "type");
	put_word(w, types[health->type]);
	put_word(w, "port");
	put_number(w, health->port);
	if (health->tls) {
		put_word(w, "tls");
		put_word(w, "true");
	}
	put_optional(w, "server_name", health->server_name);
	put_optional(w, "host", health->host);
	put_optional(w, "path", health->path);
	if (health->type == HEALTH_HTTP)
		put_status(w, health);
	put_optional(w, "body", health->body);
	put_optional(w, "service", health->service);
	put_word(w, "interval");
	put_duration(w, health->interval_ms);
	put_word(w, "timeout");
	put_duration(w, health->timeout_ms);
	if (health->via != HEALTH_VIA_PATH) {
		put_word(w, "via");
		put_word(w, health->via == HEALTH_VIA_BOTH ? "both" : "direct");
	}
	put_word(w, "fall");
	put_number(w, health->fall);
	put_word(w, "rise");
	put_number(w, health->rise);
	end_map(w);
}

static void put_labels(struct writer *w, const struct route_stack *stack)
{
	put_word(w, "labels");
	begin_map(w, true);
	for (size_t i = 0; i < stack->labels_n; i++) {
		put_text(w, stack->labels[i].key);
		put_text(w, stack->labels[i].value);
	}
	end_map(w);
}

static void put_backends(struct writer *w, const struct route_stack *stack)
{
	put_word(w, "backends");
	begin_list(w, false);
	for (size_t i = 0; i < stack->backends_n; i++) {
		begin_map(w, true);
		put_word(w, "address");
		put_address(w, &stack->backends[i].address);
		put_word(w, "weight");
		put_number(w, stack->backends[i].weight);
		end_map(w);
	}
	end_list(w);
}

static void put_stack(struct writer *w, const struct route_stack *stack)
{
	static const char *const stages[STAGE_MAX] = {
		[STAGE_DEVELOPMENT] = "development",
		[STAGE_RELEASE_CANDIDATE] = "release_candidate",
		[STAGE_CANARY] = "canary",
		[STAGE_PRODUCTION] = "production",
		[STAGE_RETIRED] = "retired",
	};
	static const char *const forwards[FORWARD_AS_MAX] = {
		[FORWARD_AS_L2] = "l2",
		[FORWARD_AS_IPIP] = "ipip",
		[FORWARD_AS_LOCAL] = "local",
	};

	put_word(w, stack->name);
	begin_map(w, false);
	if (stack->stage != STAGE_UNSPECIFIED) {
		put_word(w, "stage");
		put_word(w, stages[stack->stage]);
	}
	if (stack->labels_n)
		put_labels(w, stack);
	put_word(w, "forward");
	put_word(w, forwards[stack->forward]);
	if (stack->health.type != HEALTH_NONE)
		put_health(w, &stack->health);
	if (stack->slow_start_ms) {
		put_word(w, "slow_start");
		put_duration(w, stack->slow_start_ms);
	}
	if (stack->on_slow_backend == BACKEND_SLOW_KEEP) {
		put_word(w, "on_slow_backend");
		put_word(w, "keep");
	}
	put_backends(w, stack);
	end_map(w);
}

static void put_split(struct writer *w, const struct route_service *service)
{
	put_word(w, "split");
	begin_map(w, true);
	for (size_t i = 0; i < service->split_n; i++) {
		put_word(w, service->split[i].stack);
		put_number(w, service->split[i].weight);
	}
	end_map(w);
}

static void put_failover(struct writer *w, const struct route_service *service)
{
	char panic[16];

	if (service->failover_n) {
		put_word(w, "failover");
		begin_list(w, true);
		for (size_t i = 0; i < service->failover_n; i++)
			put_word(w, service->failover[i].stack);
		end_list(w);
	}
	snprintf(panic, sizeof(panic), "%u%%", service->panic_percent);
	put_word(w, "panic");
	put_word(w, panic);
}

static void put_service(struct writer *w, const struct route_service *service)
{
	static const char *const down[BACKEND_DOWN_MAX] = {
		[BACKEND_DOWN_MOVE] = "move",
		[BACKEND_DOWN_KEEP] = "keep",
		[BACKEND_DOWN_RESET] = "reset",
	};

	put_word(w, service->name);
	begin_map(w, false);
	put_word(w, "vips");
	begin_list(w, true);
	for (size_t i = 0; i < service->vips_n; i++)
		put_address(w, &service->vips[i].address);
	end_list(w);
	put_word(w, "protocol");
	put_word(w, service->protocol == PROTOCOL_UDP ? "udp" : "tcp");
	put_word(w, "ports");
	begin_list(w, true);
	for (size_t i = 0; i < service->ports_n; i++)
		put_number(w, service->ports[i]);
	end_list(w);
	put_split(w, service);
	put_failover(w, service);
	put_word(w, "sticky");
	begin_map(w, true);
	put_word(w, "by");
	put_word(w, service->sticky_by_client ? "client" : "flow");
	end_map(w);
	put_word(w, "on_backend_down");
	put_word(w, down[service->on_backend_down]);
	end_map(w);
}

static void put_routes(struct writer *w, const struct routes *routes)
{
	begin_map(w, false);
	if (routes->fleet_key) {
		put_word(w, "fleet_key");
		put_text(w, routes->fleet_key);
	}
	put_word(w, "stacks");
	begin_map(w, false);
	for (size_t i = 0; i < routes->stacks_n; i++)
		put_stack(w, &routes->stacks[i]);
	end_map(w);
	put_word(w, "services");
	begin_map(w, false);
	for (size_t i = 0; i < routes->services_n; i++)
		put_service(w, &routes->services[i]);
	end_map(w);
	end_map(w);
}

static void put_document(struct writer *w, const struct routes *routes)
{
	yaml_event_t event;

	emit(w, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	if (!w->failed)
		emit(w, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
	put_routes(w, routes);
	if (!w->failed)
		emit(w, &event, yaml_document_end_event_initialize(&event, 1));
	if (!w->failed)
		emit(w, &event, yaml_stream_end_event_initialize(&event));
}

int routes_yaml_emit(const struct routes *routes, char **ret_text)
{
	CLEANUP_FREE char *text = NULL;
	struct writer writer = {0};
	size_t size = 0;

	if (!yaml_emitter_initialize(&writer.emitter))
		return -ENOMEM;
	writer.out = open_memstream(&text, &size);
	if (!writer.out) {
		yaml_emitter_delete(&writer.emitter);
		return -ENOMEM;
	}
	yaml_emitter_set_output(&writer.emitter, write_out, &writer);
	yaml_emitter_set_unicode(&writer.emitter, 1);
	yaml_emitter_set_width(&writer.emitter, -1);
	put_document(&writer, routes);
	yaml_emitter_delete(&writer.emitter);
	if (fclose(writer.out) != 0 || writer.failed)
		return -EINVAL;
	*ret_text = TAKE(text);
	return 0;
}
