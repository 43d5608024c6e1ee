/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/node_otlp.h"

#include "agent/node_config_file.h"
#include "common/text.h"
#include "common/util.h"

#define ENDPOINT_MAX	    280 /* a host's name takes up to 253 */
#define UNIX_PREFIX	    "unix:///"
#define DEFAULT_INTERVAL_MS 10000
#define MIN_INTERVAL_MS	    1000
#define MAX_INTERVAL_MS	    3600000

struct otlp_reading {
	struct node_otlp *otlp;
	bool is_insecure;
};

static bool is_unix(const char *endpoint)
{
	return strncmp(endpoint, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0;
}

/* The host of host:port or [host]:port, without brackets; false: the text is no such thing. */
static bool split_endpoint(const char *text, char host[ENDPOINT_MAX])
{
	const char *colon = strrchr(text, ':');
	size_t size = colon ? (size_t)(colon - text) : 0;
	uint64_t port;

	if (!size || size >= ENDPOINT_MAX || text_parse_number(colon + 1, &port) || !port ||
	    port > UINT16_MAX || strpbrk(text, "/ @"))
		return false;
	if (text[0] == '[' && text[size - 1] == ']') {
		text++;
		size -= 2;
	} else if (memchr(text, ':', size)) {
		return false;
	}
	snprintf(host, ENDPOINT_MAX, "%.*s", (int)size, text);
	return host[0] != '\0';
}

static bool is_this_host(const char *endpoint)
{
	char host[ENDPOINT_MAX];
	struct address address;

	if (is_unix(endpoint))
		return true;
	if (!split_endpoint(endpoint, host))
		return false;
	if (strcmp(host, "localhost") == 0)
		return true;
	if (address_parse(host, &address))
		return false;
	if (address_is_ipv4(&address))
		return address.bytes[12] == 127;
	return address_special(&address) && strcmp(address_special(&address), "loopback") == 0;
}

static void read_endpoint(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct otlp_reading *reading = into;
	const char *text = yaml_read_text(reader, node);
	char host[ENDPOINT_MAX];

	if (!text)
		return;
	if (strlen(text) >= ENDPOINT_MAX || !text_is_printable(text) ||
	    !((is_unix(text) && text[strlen(UNIX_PREFIX)]) || split_endpoint(text, host))) {
		yaml_problem(reader, node,
			     "'endpoint' is '%s'; it must be the collector's gRPC host and port, "
			     "such as collector.example:4317, without https://, or "
			     "unix:///run/collector.sock",
			     text);
		return;
	}
	free(reading->otlp->endpoint);
	reading->otlp->endpoint = util_strdup(text);
}

static void read_interval(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	struct otlp_reading *reading = into;
	uint32_t ms;

	if (!yaml_read_duration(reader, node, &ms))
		return;
	if (ms < MIN_INTERVAL_MS || ms > MAX_INTERVAL_MS)
		yaml_problem(reader, node, "'interval' is '%s'; it must be 1s to 1h", node->text);
	else
		reading->otlp->interval_ms = ms;
}

static void read_insecure(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	static const struct yaml_word words[] = {{"false", 0}, {"true", 1}};
	struct otlp_reading *reading = into;
	int value;

	if (yaml_read_word(reader, node, words, ARRAY_SIZE(words), &value))
		reading->is_insecure = value;
}

static void read_ca(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	node_config_read_file(reader, node, &((struct otlp_reading *)into)->otlp->ca);
}

static void read_cert(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	node_config_read_file(reader, node, &((struct otlp_reading *)into)->otlp->cert);
}

static void read_key(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	node_config_read_file(reader, node, &((struct otlp_reading *)into)->otlp->key);
}

static void read_tls(struct yaml_reader *reader, const struct tree_node *node, void *into)
{
	static const struct yaml_field fields[] = {
		{"ca", read_ca},
		{"cert", read_cert},
		{"key", read_key},
	};
	const struct node_otlp *otlp = ((struct otlp_reading *)into)->otlp;
	size_t before = reader->problems->total;

	yaml_read_fields(reader, node, fields, ARRAY_SIZE(fields), into);
	if (reader->problems->total > before)
		return;
	if (!otlp->ca)
		yaml_problem(reader, node,
			     "telemetry.otlp.tls has no 'ca'; name the file with the CA that "
			     "vouches for the collector");
	else if (!otlp->cert != !otlp->key)
		yaml_problem(reader, node,
			     "telemetry.otlp.tls has one of 'cert' and 'key'; give both, or none");
}

static void judge(struct yaml_reader *reader, const struct tree_node *node,
		  struct otlp_reading *reading)
{
	struct node_otlp *otlp = reading->otlp;

	otlp->is_plaintext = !otlp->ca;
	if (!otlp->endpoint)
		yaml_problem(reader, node,
			     "telemetry.otlp has no 'endpoint'; name the collector, such as "
			     "endpoint: \"collector.example:4317\"");
	else if (reading->is_insecure && otlp->ca)
		yaml_problem(reader, node,
			     "telemetry.otlp has both 'tls' and insecure: true; take one away");
	else if (!otlp->ca && !reading->is_insecure && !is_this_host(otlp->endpoint))
		yaml_problem(reader, node,
			     "telemetry.otlp sends to '%s', which is another host; add "
			     "tls: {ca: FILE}, or insecure: true to send in the clear",
			     otlp->endpoint);
}

void node_otlp_read(struct yaml_reader *reader, const struct tree_node *node, void *otlp)
{
	static const struct yaml_field fields[] = {
		{"endpoint", read_endpoint},
		{"interval", read_interval},
		{"insecure", read_insecure},
		{"tls", read_tls},
	};
	struct otlp_reading reading = {.otlp = otlp};
	size_t before = reader->problems->total;

	reading.otlp->interval_ms = DEFAULT_INTERVAL_MS;
	yaml_read_fields(reader, node, fields, ARRAY_SIZE(fields), &reading);
	if (reader->problems->total == before)
		judge(reader, node, &reading);
}

void node_otlp_clear(struct node_otlp *otlp)
{
	free(otlp->endpoint);
	free(otlp->ca);
	free(otlp->cert);
	free(otlp->key);
	*otlp = (struct node_otlp){0};
}
