/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/node_config.h"

#include <ctype.h>
#include <errno.h>
#include <sys/un.h>

#include "abi.h"
#include "agent/node_config_file.h"
#include "common/text.h"
#include "common/util.h"
#include "common/yaml_reader.h"

#define NODE_NAME_MAX	64
#define SOURCE_BITS_MAX 32
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define FILE_PATH_MAX	4095

typedef char interface_name[IF_NAMESIZE];

static void read_node(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct node_config *config = into;
	const char *text = yaml_read_text(reader, node);

	if (!text)
		return;
	if (!text[0] || strlen(text) > NODE_NAME_MAX || !text_is_printable(text)) {
		yaml_problem(reader, node, "'node' must be 1 to %d bytes of printable text",
			     NODE_NAME_MAX);
		return;
	}
	free(config->node);
	config->node = util_strdup(text);
}

static bool has_interface(const interface_name *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* What the kernel takes for a name (dev_valid_name), and no more. */
static bool is_interface_name(const char *name)
{
	if (!name[0] || strlen(name) >= IF_NAMESIZE || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return false;
	for (const char *at = name; *at; at++) {
		if (*at == '/' || *at == ':' || !isgraph((unsigned char)*at))
			return false;
	}
	return true;
}

static void add_interface(struct yaml_reader *reader, const struct tree_node *node,
			  const struct node_config *config, interface_name **names, size_t *n)
{
	const char *text = yaml_read_text(reader, node);

	if (!text)
		return;
	if (!is_interface_name(text)) {
		yaml_problem(reader, node,
			     "'%s' is no name of an interface; write one of up to %d characters, "
			     "such as eth0",
			     text, IF_NAMESIZE - 1);
		return;
	}
	if (has_interface(config->interfaces, config->interfaces_n, text) ||
	    has_interface(config->decap_interfaces, config->decap_interfaces_n, text)) {
		yaml_problem(reader, node,
			     "interface '%s' is named twice; it can be in either 'interfaces' or "
			     "'decap.interfaces', once",
			     text);
		return;
	}
	if (*n == NODE_INTERFACES_MAX) {
		yaml_problem(reader, node, "more than %d interfaces", NODE_INTERFACES_MAX);
		return;
	}
	*names = util_realloc(*names, *n + 1, sizeof(**names));
	snprintf((*names)[(*n)++], IF_NAMESIZE, "%s", text);
}

static void read_interface(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct node_config *config = into;

	add_interface(reader, node, config, &config->interfaces, &config->interfaces_n);
}

static void read_interfaces(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_list(reader, node, read_interface, into);
}

static void read_xdp_mode(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	static const struct yaml_word words[] = {
		{"auto", NODE_XDP_AUTO},
		{"native", NODE_XDP_NATIVE},
		{"generic", NODE_XDP_GENERIC},
	};
	struct node_config *config = into;
	int value;

	if (yaml_read_word(reader, node, words, ARRAY_SIZE(words), &value))
		config->xdp_mode = (enum node_xdp_mode)value;
}

static void read_xdp_attach(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	static const struct yaml_word words[] = {{"link", 0}, {"dispatcher", -1}};
	int value;

	(void)into;
	yaml_read_word(reader, node, words, ARRAY_SIZE(words), &value);
}

static void read_xdp(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	static const struct yaml_field fields[] = {
		{"mode", read_xdp_mode},
		{"attach", read_xdp_attach},
	};

	yaml_read_fields(reader, node, fields, ARRAY_SIZE(fields), into);
}

static void keep_path(struct yaml_reader *reader, const struct tree_node *node, const char *text,
		      size_t max, char **ret_path)
{
	if (strlen(text) > max || !text_is_printable(text)) {
		yaml_problem(reader, node, "'%s' must be up to %zu bytes of printable text",
			     node->key, max);
		return;
	}
	free(*ret_path);
	*ret_path = util_strdup(text);
}

/* Of something the daemon makes, which has no folder that a relative path could mean. */
static void read_path(struct yaml_reader *reader, const struct tree_node *node, size_t max,
		      char **ret_path)
{
	const char *text = yaml_read_text(reader, node);

	if (text && text[0] != '/')
		yaml_problem(reader, node,
			     "'%s' is '%s', which is relative; write the whole path, from / on",
			     node->key, text);
	else if (text)
		keep_path(reader, node, text, max, ret_path);
}

void node_config_read_file(struct yaml_reader *reader, const struct tree_node *node,
			   char **ret_path)
{
	const char *text = yaml_read_text(reader, node);

	if (text && !text[0])
		yaml_problem(reader, node, "'%s' is empty; write the path of a file", node->key);
	else if (text)
		keep_path(reader, node, text, FILE_PATH_MAX, ret_path);
}

static void read_unix(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	read_path(reader, node, SOCKET_PATH_MAX, &((struct node_config *)into)->listen_unix);
}

static void read_cert(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	node_config_read_file(reader, node, &((struct node_config *)into)->tcp_cert);
}

static void read_key(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	node_config_read_file(reader, node, &((struct node_config *)into)->tcp_key);
}

static void read_client_ca(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	node_config_read_file(reader, node, &((struct node_config *)into)->tcp_client_ca);
}

static void endpoint_clear(struct node_endpoint *endpoint)
{
	free(endpoint->text);
	*endpoint = (struct node_endpoint){0};
}

static void read_endpoint(struct yaml_reader *reader, const struct tree_node *node,
			  struct node_endpoint *endpoint)
{
	struct node_endpoint read = {0};
	const char *text = yaml_read_text(reader, node);

	if (!text)
		return;
	if (address_parse_endpoint(text, &read.address, &read.port)) {
		yaml_problem(reader, node,
			     "'%s' is '%s'; it must be an address and a port, such as "
			     "127.0.0.1:9451 or [::1]:9451",
			     node->key, text);
		return;
	}
	endpoint_clear(endpoint);
	read.text = util_strdup(text);
	*endpoint = read;
}

static void read_tcp_address(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	read_endpoint(reader, node, &((struct node_config *)into)->listen_tcp);
}

static bool has_key(const struct tree_node *map, const char *key)
{
	for (size_t i = 0; i < map->items_n; i++) {
		if (strcmp(map->items[i].key, key) == 0)
			return true;
	}
	return false;
}

static void read_tcp(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	static const struct yaml_field fields[] = {
		{"address", read_tcp_address},
		{"cert", read_cert},
		{"key", read_key},
		{"client_ca", read_client_ca},
	};

	yaml_read_fields(reader, node, fields, ARRAY_SIZE(fields), into);
	for (size_t i = 0; node->kind == TREE_MAP && i < ARRAY_SIZE(fields); i++) {
		if (!has_key(node, fields[i].key))
			yaml_problem(reader, node,
				     "listen.tcp has no '%s'; it needs address, cert, key and "
				     "client_ca, since TCP is served with mutual TLS only",
				     fields[i].key);
	}
}

static void read_listen(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	static const struct yaml_field fields[] = {{"unix", read_unix}, {"tcp", read_tcp}};

	yaml_read_fields(reader, node, fields, ARRAY_SIZE(fields), into);
}

static void read_http(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct node_config *config = into;

	if (node->kind == TREE_SCALAR && (!node->text[0] || strcmp(node->text, "off") == 0))
		endpoint_clear(&config->http);
	else
		read_endpoint(reader, node, &config->http);
}

static void read_decap_interface(struct yaml_reader *reader, const struct tree_node *node,
				 void *into)
{
	struct node_config *config = into;

	add_interface(reader, node, config, &config->decap_interfaces, &config->decap_interfaces_n);
}

static void read_decap_interfaces(struct yaml_reader *reader, const struct tree_node *node,
				  void *into)
{
	yaml_read_list(reader, node, read_decap_interface, into);
}

static bool read_prefix(struct yaml_reader *reader, const struct tree_node *node,
			struct address_prefix *ret_prefix)
{
	const char *text = yaml_read_text(reader, node);
	int err;

	if (!text)
		return false;
	err = address_parse_prefix(text, ret_prefix);
	if (err == -EDOM)
		yaml_problem(reader, node,
			     "'%s' has bits set behind its prefix; write the network's own "
			     "address, or the address alone",
			     text);
	else if (err)
		yaml_problem(reader, node,
			     "'%s' is no address and no prefix; write one such as 10.0.0.0/24 or "
			     "2001:db8::/64",
			     text);
	return !err;
}

static void read_decap_source(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct node_config *config = into;
	struct address_prefix prefix;

	if (!read_prefix(reader, node, &prefix))
		return;
	if (config->decap_sources_n == NODE_SOURCES_MAX) {
		yaml_problem(reader, node, "more than %d sources", NODE_SOURCES_MAX);
		return;
	}
	config->decap_sources = util_realloc(config->decap_sources, config->decap_sources_n + 1,
					     sizeof(*config->decap_sources));
	config->decap_sources[config->decap_sources_n++] = prefix;
}

static void read_decap_sources(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_list(reader, node, read_decap_source, into);
}

static void read_decap(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	static const struct yaml_field fields[] = {
		{"interfaces", read_decap_interfaces},
		{"sources", read_decap_sources},
	};
	const struct node_config *config = into;
	size_t before = reader->problems->total;

	yaml_read_fields(reader, node, fields, ARRAY_SIZE(fields), into);
	if (reader->problems->total == before && config->decap_interfaces_n &&
	    !config->decap_sources_n)
		yaml_problem(reader, node,
			     "decap.interfaces is given without decap.sources; list where tunnels "
			     "may come from, such as sources: [10.0.0.0/24]");
}

static void read_tunnel_source(struct yaml_reader *reader, const struct tree_node *node, bool ipv4,
			       struct node_source *source)
{
	struct address_prefix prefix;
	const char *special;

	if (!read_prefix(reader, node, &prefix))
		return;
	special = address_special(&prefix.address);
	if (address_is_ipv4(&prefix.address) != ipv4)
		yaml_problem(reader, node, "'%s' is '%s', which is not IPv%d; that goes into '%s'",
			     node->key, node->text, ipv4 ? 4 : 6, ipv4 ? "source6" : "source");
	else if (special)
		yaml_problem(reader, node,
			     "'%s' is '%s', which is %s; write an address of this host", node->key,
			     node->text, special);
	else if (128 - prefix.bits > SOURCE_BITS_MAX)
		yaml_problem(reader, node,
			     "'%s' is '%s', which leaves %d bits; it may leave up to %d", node->key,
			     node->text, 128 - prefix.bits, SOURCE_BITS_MAX);
	else
		*source = (struct node_source){
			.set = true,
			.address = prefix.address,
			.host_bits = (uint8_t)(128 - prefix.bits),
		};
}

static void read_source4(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	read_tunnel_source(reader, node, true, &((struct node_config *)into)->tunnel_source);
}

static void read_source6(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	read_tunnel_source(reader, node, false, &((struct node_config *)into)->tunnel_source6);
}

static void read_tunnel(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	static const struct yaml_field fields[] = {
		{"source", read_source4},
		{"source6", read_source6},
	};

	yaml_read_fields(reader, node, fields, ARRAY_SIZE(fields), into);
}

static void read_pin_dir(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	read_path(reader, node, FILE_PATH_MAX, &((struct node_config *)into)->pin_dir);
}

static void read_state_dir(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	read_path(reader, node, FILE_PATH_MAX, &((struct node_config *)into)->state_dir);
}

static void read_routes(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	node_config_read_file(reader, node, &((struct node_config *)into)->routes);
}

static void read_services(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_number(reader, node, 1, 16384, &((struct node_limits *)into)->services);
}

static void read_stacks(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_number(reader, node, 1, 256, &((struct node_limits *)into)->stacks);
}

static void read_backends(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_number(reader, node, 1, 30000, &((struct node_limits *)into)->backends);
}

static void read_flows(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_number(reader, node, 1024, 67108864, &((struct node_limits *)into)->flows);
}

static void read_series(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_number(reader, node, 0, 16384, &((struct node_limits *)into)->series);
}

static void read_samples(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	yaml_read_number(reader, node, 64, 4194304, &((struct node_limits *)into)->samples);
}

/* A number, or "auto", or "off". */
static void read_sample(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct node_config *config = into;

	if (node->kind == TREE_SCALAR && !strcmp(node->text, "auto"))
		config->sample = NODE_SAMPLE_AUTO;
	else if (node->kind == TREE_SCALAR && !strcmp(node->text, "off"))
		config->sample = NODE_SAMPLE_OFF;
	else
		yaml_read_number(reader, node, 1, NODE_SAMPLE_MAX, &config->sample);
}

static void read_otlp(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	node_otlp_read(reader, node, &((struct node_config *)into)->otlp);
}

static void read_telemetry(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	static const struct yaml_field fields[] = {
		{"sample", read_sample},
		{"otlp", read_otlp},
	};

	yaml_read_fields(reader, node, fields, ARRAY_SIZE(fields), into);
}

static void read_limits(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	static const struct yaml_field fields[] = {
		{"services", read_services}, {"stacks", read_stacks}, {"backends", read_backends},
		{"flows", read_flows},	     {"series", read_series}, {"samples", read_samples},
	};

	yaml_read_fields(reader, node, fields, ARRAY_SIZE(fields),
			 &((struct node_config *)into)->limits);
}

static const struct yaml_field node_fields[] = {
	{"node", read_node},
	{"interfaces", read_interfaces},
	{"xdp", read_xdp},
	{"listen", read_listen},
	{"http", read_http},
	{"decap", read_decap},
	{"tunnel", read_tunnel},
	{"pin_dir", read_pin_dir},
	{"state_dir", read_state_dir},
	{"routes", read_routes},
	{"limits", read_limits},
	{"telemetry", read_telemetry},
	{"geoip", NULL},
};

static char *host_name(void)
{
	char name[NODE_NAME_MAX + 1] = "";

	if (gethostname(name, sizeof(name) - 1) < 0 || !name[0])
		return util_strdup("localhost");
	return util_strdup(name);
}

static void set_defaults(struct node_config *config)
{
	*config = (struct node_config){
		.node = host_name(),
		.listen_unix = util_strdup("/run/steerd/steerd.sock"),
		.http.text = util_strdup("127.0.0.1:9451"),
		.pin_dir = util_strdup("/sys/fs/bpf/steerd"),
		.state_dir = util_strdup("/var/lib/steerd"),
		.limits = {.services = 4096,
			   .stacks = 256,
			   .backends = 16384,
			   .flows = 1048576,
			   .series = 1024,
			   .samples = 65536},
	};
	address_parse_endpoint(config->http.text, &config->http.address, &config->http.port);
}

static int read_tree(const struct tree_node *root, struct node_config *ret,
		     struct problems *problems)
{
	CLEANUP_NODE_CONFIG struct node_config config;
	struct yaml_reader reader = {.problems = problems};
	size_t before = problems->total;

	set_defaults(&config);
	if (root->kind != TREE_NULL)
		yaml_read_fields(&reader, root, node_fields, ARRAY_SIZE(node_fields), &config);
	if (problems->total == before && !config.interfaces_n && !config.decap_interfaces_n)
		yaml_problem(&reader, root,
			     "no interface is named; add interfaces: [eth0] with those that client "
			     "packets arrive on");
	if (problems->total > before)
		return -EINVAL;
	*ret = config;
	config = (struct node_config){0};
	return 0;
}

int node_config_parse(const char *text, size_t size, struct node_config *ret,
		      struct problems *problems)
{
	CLEANUP_TREE struct tree_node *root = NULL;
	int err = yaml_tree_parse(text, size, &root, problems);

	return err ? err : read_tree(root, ret, problems);
}

/* A relative path counts from the folder of the node file. */
static void put_beside(const char *node_file, char **path)
{
	const char *slash = strrchr(node_file, '/');
	char *whole;

	if (!*path || (*path)[0] == '/' || !slash)
		return;
	whole = util_format("%.*s/%s", (int)(slash - node_file), node_file, *path);
	free(*path);
	*path = whole;
}

int node_config_load(const char *path, struct node_config *ret, struct problems *problems)
{
	CLEANUP_TREE struct tree_node *root = NULL;
	int err = yaml_tree_load(path, &root, problems);

	if (!err)
		err = read_tree(root, ret, problems);
	if (err)
		return err;
	put_beside(path, &ret->tcp_cert);
	put_beside(path, &ret->tcp_key);
	put_beside(path, &ret->tcp_client_ca);
	put_beside(path, &ret->routes);
	put_beside(path, &ret->otlp.ca);
	put_beside(path, &ret->otlp.cert);
	put_beside(path, &ret->otlp.key);
	return 0;
}

void node_config_routes_limits(const struct node_config *config, struct routes_limits *ret)
{
	*ret = (struct routes_limits){.services = config->limits.services,
				      .stacks = config->limits.stacks,
				      .backends = config->limits.backends,
				      .vip_keys = STEER_VIP_KEYS_MAX};
}

void node_config_clear(struct node_config *config)
{
	free(config->node);
	free(config->interfaces);
	free(config->listen_unix);
	endpoint_clear(&config->listen_tcp);
	free(config->tcp_cert);
	free(config->tcp_key);
	free(config->tcp_client_ca);
	endpoint_clear(&config->http);
	free(config->decap_interfaces);
	free(config->decap_sources);
	free(config->pin_dir);
	free(config->state_dir);
	free(config->routes);
	node_otlp_clear(&config->otlp);
	*config = (struct node_config){0};
}
