/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/routes_yaml.h"

#include <errno.h>

#include "common/text.h"
#include "common/util.h"
#include "common/yaml_reader.h"

/* One more zeroed item at the end of an array that grows in powers of two. */
#define APPEND(items, n)                                                                           \
	({                                                                                         \
		size_t n_ = (n)++;                                                                 \
		if ((n_ & (n_ - 1)) == 0)                                                          \
			(items) = util_realloc((items), n_ ? n_ * 2 : 1, sizeof(*(items)));        \
		memset(&(items)[n_], 0, sizeof(*(items)));                                         \
		&(items)[n_];                                                                      \
	})

static const struct yaml_word stage_words[] = {
	{"development", STAGE_DEVELOPMENT}, {"release_candidate", STAGE_RELEASE_CANDIDATE},
	{"canary", STAGE_CANARY},	    {"production", STAGE_PRODUCTION},
	{"retired", STAGE_RETIRED},
};

static const struct yaml_word forward_words[] = {
	{"l2", FORWARD_AS_L2}, {"ipip", FORWARD_AS_IPIP}, {"local", FORWARD_AS_LOCAL}, {"gue", -1},
	{"nat", -1},
};

static const struct yaml_word health_words[] = {
	{"tcp", HEALTH_TCP},
	{"http", HEALTH_HTTP},
	{"grpc", HEALTH_GRPC},
	{"none", HEALTH_NONE},
};

static const struct yaml_word bool_words[] = {{"true", true}, {"false", false}};

static const struct yaml_word via_words[] = {
	{"path", HEALTH_VIA_PATH},
	{"direct", HEALTH_VIA_DIRECT},
	{"both", HEALTH_VIA_BOTH},
};

static const struct yaml_word protocol_words[] = {{"tcp", PROTOCOL_TCP}, {"udp", PROTOCOL_UDP}};

static const struct yaml_word sticky_words[] = {{"flow", 0}, {"client", 1}};

static const struct yaml_word down_words[] = {
	{"move", BACKEND_DOWN_MOVE},
	{"keep", BACKEND_DOWN_KEEP},
	{"reset", BACKEND_DOWN_RESET},
};

static const struct yaml_word slow_words[] = {
	{"shift", BACKEND_SLOW_SHIFT},
	{"keep", BACKEND_SLOW_KEEP},
};

/* Health */

static void read_health_type(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct health_spec *health = into;
	int value;

	if (yaml_read_word(reader, node, health_words, ARRAY_SIZE(health_words), &value))
		health->type = (enum health_type)value;
}

static void read_health_port(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct health_spec *health = into;
	uint32_t port;

	if (yaml_read_number(reader, node, 1, UINT16_MAX, &port))
		health->port = (uint16_t)port;
}

static void read_health_path(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct health_spec *health = into;
	const char *text = yaml_read_text(reader, node);

	if (text)
		health->path = util_strdup(text);
}

static void read_health_host(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	const char *text = yaml_read_text(reader, node);

	if (text)
		((struct health_spec *)into)->host = util_strdup(text);
}

static void read_health_body(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	const char *text = yaml_read_text(reader, node);

	if (text)
		((struct health_spec *)into)->body = util_strdup(text);
}

static void read_health_service(struct yaml_reader *reader, const struct tree_node *node,
				void *into)
{
	const char *text = yaml_read_text(reader, node);

	if (text)
		((struct health_spec *)into)->service = util_strdup(text);
}

static void read_tls(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	int value;

	if (yaml_read_word(reader, node, bool_words, ARRAY_SIZE(bool_words), &value))
		((struct health_spec *)into)->tls = value;
}

static void read_server_name(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	const char *text = yaml_read_text(reader, node);

	if (text)
		((struct health_spec *)into)->server_name = util_strdup(text);
}

/* "200" or "200-299"; the rules say which numbers are statuses. */
static bool parse_status(const char *text, struct health_spec *health)
{
	CLEANUP_FREE char *from = util_strdup(text);
	char *dash = strchr(from, '-');
	uint64_t min, max;

	if (dash)
		*dash++ = '\0';
	if (text_parse_number(from, &min) || text_parse_number(dash ? dash : from, &max) || !min ||
	    min > UINT16_MAX || !max || max > UINT16_MAX)
		return false;
	health->status_min = (uint16_t)min;
	health->status_max = (uint16_t)max;
	return true;
}

static void read_health_status(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	const char *text = yaml_read_text(reader, node);

	if (text && !parse_status(text, into))
		yaml_problem(reader, node,
			     "'status' is '%s'; it must be a status such as 200, or a range such "
			     "as 200-299",
			     text);
}

static void read_via(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	int value;

	if (yaml_read_word(reader, node, via_words, ARRAY_SIZE(via_words), &value))
		((struct health_spec *)into)->via = (enum health_via)value;
}

static void read_interval(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_duration(reader, node, &((struct health_spec *)into)->interval_ms);
}

static void read_timeout(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_duration(reader, node, &((struct health_spec *)into)->timeout_ms);
}

static void read_fall(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_number(reader, node, 1, UINT32_MAX, &((struct health_spec *)into)->fall);
}

static void read_rise(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_number(reader, node, 1, UINT32_MAX, &((struct health_spec *)into)->rise);
}

static const struct yaml_field health_fields[] = {
	{"type", read_health_type},
	{"port", read_health_port},
	{"path", read_health_path},
	{"interval", read_interval},
	{"timeout", read_timeout},
	{"fall", read_fall},
	{"rise", read_rise},
	{"status", read_health_status},
	{"host", read_health_host},
	{"body", read_health_body},
	{"service", read_health_service},
	{"tls", read_tls},
	{"server_name", read_server_name},
	{"via", read_via},
};

static bool has_key(const struct tree_node *map, const char *key)
{
	for (size_t i = 0; i < map->items_n; i++) {
		if (map->items[i].key && strcmp(map->items[i].key, key) == 0)
			return true;
	}
	return false;
}

static void read_health(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct health_spec *health = &((struct route_stack *)into)->health;

	health->line = node->line;
	yaml_read_fields(reader, node, health_fields, ARRAY_SIZE(health_fields), health);
	/* A port without a type must not quietly mean that nothing is checked. */
	if (node->kind == TREE_MAP && !has_key(node, "type"))
		yaml_problem(reader, node,
			     "'health' has no type; add type: tcp, http, grpc or none");
}

/* Stacks */

static void read_address(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_address(reader, node, &((struct route_backend *)into)->address);
}

static void read_backend_weight(struct yaml_reader *reader, const struct tree_node *node,
				void *into)
{
	yaml_read_number(reader, node, 0, UINT32_MAX, &((struct route_backend *)into)->weight);
}

static const struct yaml_field backend_fields[] = {
	{"address", read_address},
	{"weight", read_backend_weight},
};

static void read_backend(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct route_stack *stack = into;
	struct route_backend *backend = APPEND(stack->backends, stack->backends_n);

	backend->weight = 100;
	backend->line = node->line;
	yaml_read_fields(reader, node, backend_fields, ARRAY_SIZE(backend_fields), backend);
	if (node->kind == TREE_MAP && !has_key(node, "address"))
		yaml_problem(reader, node, "'%s' has no address; add address: 10.1.0.11",
			     reader->path);
}

static void read_backends(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_list(reader, node, read_backend, into);
}

static void read_label(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct route_stack *stack = into;
	const char *text = yaml_read_text(reader, node);
	struct label *label;

	if (!text)
		return;
	label = APPEND(stack->labels, stack->labels_n);
	label->key = util_strdup(node->key);
	label->value = util_strdup(text);
}

static void read_labels(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_map(reader, node, read_label, into);
}

static void read_stage(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct route_stack *stack = into;
	int value;

	if (yaml_read_word(reader, node, stage_words, ARRAY_SIZE(stage_words), &value))
		stack->stage = (enum stage)value;
}

static void read_forward(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct route_stack *stack = into;
	int value;

	if (yaml_read_word(reader, node, forward_words, ARRAY_SIZE(forward_words), &value))
		stack->forward = (enum forward)value;
}

static void read_slow_start(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_duration(reader, node, &((struct route_stack *)into)->slow_start_ms);
}

static void read_slow(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct route_stack *stack = into;
	int value;

	if (yaml_read_word(reader, node, slow_words, ARRAY_SIZE(slow_words), &value))
		stack->on_slow_backend = (enum backend_slow)value;
}

static const struct yaml_field stack_fields[] = {
	{"stage", read_stage},		 {"labels", read_labels},	 {"forward", read_forward},
	{"health", read_health},	 {"backends", read_backends},	 {"capacity", NULL},
	{"slow_start", read_slow_start}, {"on_slow_backend", read_slow},
};

static void read_stack(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct routes *routes = into;
	struct route_stack *stack = APPEND(routes->stacks, routes->stacks_n);

	stack->name = util_strdup(node->key);
	stack->line = node->line;
	yaml_read_fields(reader, node, stack_fields, ARRAY_SIZE(stack_fields), stack);
	routes_health_settle(&stack->health);
}

/* Services */

static void read_vip(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct route_service *service = into;
	struct route_vip *vip = APPEND(service->vips, service->vips_n);

	vip->line = node->line;
	yaml_read_address(reader, node, &vip->address);
}

static void read_vips(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_list(reader, node, read_vip, into);
}

static void read_port(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct route_service *service = into;
	uint32_t port;

	if (yaml_read_number(reader, node, 1, UINT16_MAX, &port))
		*APPEND(service->ports, service->ports_n) = (uint16_t)port;
}

static void read_ports(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_list(reader, node, read_port, into);
}

static void read_split_entry(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct route_service *service = into;
	struct route_split *entry = APPEND(service->split, service->split_n);

	entry->stack = util_strdup(node->key);
	entry->line = node->line;
	yaml_read_number(reader, node, 0, UINT32_MAX, &entry->weight);
}

static void read_split(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_map(reader, node, read_split_entry, into);
}

static void read_protocol(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct route_service *service = into;
	int value;

	if (yaml_read_word(reader, node, protocol_words, ARRAY_SIZE(protocol_words), &value))
		service->protocol = (enum protocol)value;
}

static void read_sticky_by(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct route_service *service = into;
	int value;

	if (yaml_read_word(reader, node, sticky_words, ARRAY_SIZE(sticky_words), &value))
		service->sticky_by_client = value;
}

static const struct yaml_field sticky_fields[] = {{"by", read_sticky_by}, {"ttl", NULL}};

static void read_sticky(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_fields(reader, node, sticky_fields, ARRAY_SIZE(sticky_fields), into);
}

static void read_down(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct route_service *service = into;
	int value;

	if (yaml_read_word(reader, node, down_words, ARRAY_SIZE(down_words), &value))
		service->on_backend_down = (enum backend_down)value;
}

static void read_failover_item(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct route_service *service = into;
	const char *text = yaml_read_text(reader, node);
	struct route_failover *entry;

	if (!text)
		return;
	entry = APPEND(service->failover, service->failover_n);
	entry->stack = util_strdup(text);
	entry->line = node->line;
}

static void read_failover(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_list(reader, node, read_failover_item, into);
}

static void read_panic(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_percent(reader, node, &((struct route_service *)into)->panic_percent);
}

static const struct yaml_field service_fields[] = {
	{"vips", read_vips},	     {"protocol", read_protocol}, {"ports", read_ports},
	{"split", read_split},	     {"sticky", read_sticky},	  {"on_backend_down", read_down},
	{"failover", read_failover}, {"panic", read_panic},	  {"shed", NULL},
	{"segments", NULL},
};

static void read_service(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct routes *routes = into;
	struct route_service *service = APPEND(routes->services, routes->services_n);

	service->name = util_strdup(node->key);
	service->line = node->line;
	service->protocol = PROTOCOL_TCP;
	service->panic_percent = PANIC_PERCENT_DEFAULT;
	yaml_read_fields(reader, node, service_fields, ARRAY_SIZE(service_fields), service);
}

/* The document */

static void read_stacks(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	if (node->kind != TREE_NULL)
		yaml_read_map(reader, node, read_stack, into);
}

static void read_services(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	if (node->kind != TREE_NULL)
		yaml_read_map(reader, node, read_service, into);
}

static void read_fleet_key(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct routes *routes = into;
	const char *text = yaml_read_text(reader, node);

	if (text && text[0])
		routes->fleet_key = util_strdup(text);
}

static const struct yaml_field document_fields[] = {
	{"stacks", read_stacks},
	{"services", read_services},
	{"fleet_key", read_fleet_key},
};

static int read_document(const struct tree_node *root, struct routes **ret,
			 struct problems *problems)
{
	CLEANUP_ROUTES struct routes *routes = util_calloc(1, sizeof(*routes));
	struct yaml_reader reader = {.problems = problems};
	size_t before = problems->total;

	if (root->kind != TREE_NULL)
		yaml_read_fields(&reader, root, document_fields, ARRAY_SIZE(document_fields),
				 routes);
	if (problems->total > before)
		return -EINVAL;
	*ret = TAKE(routes);
	return 0;
}

int routes_yaml_parse(const char *text, size_t size, struct routes **ret, struct problems *problems)
{
	CLEANUP_TREE struct tree_node *root = NULL;
	int err = yaml_tree_parse(text, size, &root, problems);

	return err ? err : read_document(root, ret, problems);
}

int routes_yaml_load(const char *path, struct routes **ret, struct problems *problems)
{
	CLEANUP_TREE struct tree_node *root = NULL;
	int err = yaml_tree_load(path, &root, problems);

	return err ? err : read_document(root, ret, problems);
}
