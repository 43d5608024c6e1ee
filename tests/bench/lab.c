/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "bench/lab.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <string.h>

#include "common/util.h"

#define CLIENT4 "198.51.100.7"
#define CLIENT6 "2001:db8:c::7"

/* Each service of the bench has one stack, which is reached in one way. */
static const struct {
	const char *name, *forward, *backends; /* a prefix for the number of the backend */
	const char *vip4, *vip6;
	bool away; /* by another interface than packets arrive on */
} stacks[] = {
	{"direct", "l2", "10.1.0.", "203.0.113.1", "2001:db8::1", false},
	{"beyond", "l2", "10.2.0.", "203.0.113.2", "2001:db8::2", true},
	{"tunnel4", "ipip", "10.3.0.", "203.0.113.3", NULL, false},
	{"tunnel6", "ipip", "2001:db8:3::", "203.0.113.4", "2001:db8::4", false},
	{"here", "local", NULL, "203.0.113.5", "2001:db8::5", false},
};

static void write_stacks(FILE *yaml)
{
	fprintf(yaml, "stacks:\n");
	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
		fprintf(yaml, "  %s:\n    forward: %s\n", stacks[i].name, stacks[i].forward);
		if (stacks[i].backends)
			fprintf(yaml, "    backends:\n");
		for (int b = 1; stacks[i].backends && b <= LAB_BACKENDS; b++)
			fprintf(yaml, "      - {address: \"%s%d\"}\n", stacks[i].backends, b);
	}
}

static void write_service(FILE *yaml, const char *name, const char *protocol, const char *vip,
			  const char *stack)
{
	fprintf(yaml, "  %s:\n    vips: [\"%s\"]\n    protocol: %s\n    ports: [443]\n", name, vip,
		protocol);
	fprintf(yaml, "    split: {%s: 100}\n", stack);
}

static char *make_routes(void)
{
	char name[STEER_NAME], vip[ADDRESS_TEXT_MAX];
	size_t size;
	char *text;
	FILE *yaml = open_memstream(&text, &size);

	write_stacks(yaml);
	fprintf(yaml, "services:\n");
	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
		snprintf(name, sizeof(name), "%s-ipv4", stacks[i].name);
		write_service(yaml, name, "tcp", stacks[i].vip4, stacks[i].name);
		snprintf(name, sizeof(name), "%s-ipv6", stacks[i].name);
		if (stacks[i].vip6)
			write_service(yaml, name, "tcp", stacks[i].vip6, stacks[i].name);
	}
	write_service(yaml, "direct-udp", "udp", stacks[0].vip4, stacks[0].name);
	for (int i = 0; i < LAB_SERVICES; i++) {
		snprintf(name, sizeof(name), "other-%d", i);
		snprintf(vip, sizeof(vip), "10.200.%d.%d", i / 250, i % 250 + 1);
		write_service(yaml, name, "tcp", vip, stacks[i % ARRAY_SIZE(stacks)].name);
	}
	fclose(yaml);
	return text;
}

void lab_set_ways(const struct fixture *fixture, uint32_t near, uint32_t away)
{
	char address[32];

	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++)
		for (int b = 1; stacks[i].backends && b <= LAB_BACKENDS; b++) {
			snprintf(address, sizeof(address), "%s%d", stacks[i].backends, b);
			fixture_backend(fixture, stacks[i].name, address)->ifindex = stacks[i].away
											     ? away
											     : near;
		}
}

/* Series 0 for the flows of lab_telemetry_paths(): first stack, IPv4. */
static void give_series(const struct fixture *fixture)
{
	const struct compiled *live = fixture->banks[fixture->view->control->active];
	struct series_ref ref = {};
	struct series_key key = {};
	char address[32];

	for (size_t i = 0; i < live->routes->services_n; i++)
		if (!strcmp(live->services[i].route->name, "direct-ipv4"))
			key.share = live->services[i].choice[0].share;
	for (int b = 1; b <= LAB_BACKENDS; b++) {
		snprintf(address, sizeof(address), "%s%d", stacks[0].backends, b);
		key.backend = (uint16_t)fixture_slot(fixture, stacks[0].name, address);
		bpf_map_update_elem(fixture->view->series_of_fd, &key, &ref, BPF_ANY);
	}
}

void lab_sample(const struct fixture *fixture, bool sampled)
{
	fixture->view->control->sample_mask = 0;
	fixture->view->control->sample_off = !sampled;
}

void lab_open(struct fixture *fixture, bool telemetry)
{
	const struct fixture_sizes sizes = {
		.flows = LAB_FLOWS, .services = 2 * LAB_SERVICES, .no_telemetry = !telemetry};
	CLEANUP_FREE char *routes = make_routes();

	fixture_open(fixture, &sizes);
	fixture_apply(fixture, routes);
	lab_set_ways(fixture, FIXTURE_IFINDEX, FIXTURE_IFINDEX + 1);
	if (telemetry)
		give_series(fixture);
	lab_sample(fixture, false);
}

void lab_fill_flows(const struct fixture *fixture)
{
	uint64_t x = 0x9e3779b97f4a7c15ULL;

	for (uint32_t i = 0; i < fixture->view->flow_buckets; i++)
		for (int j = 0; j < STEER_BUCKET_ENTRIES; j++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			fixture->view->flows[i].entry[j] = (struct flow_entry){
				.key = x, .data = {.seen = (uint16_t)x, .used = 1}};
		}
}

static struct lab_path path4(const char *name, const char *vip)
{
	struct lab_path path = {.name = name, .action = XDP_TX, .floor = DRIVE_4IN4};

	packet_build(&path.packet, pkt_eth(), pkt_ip4(CLIENT4, vip), pkt_tcp(40000, 443, TH_ACK),
		     pkt_payload(42));
	packet_build(&path.opening, pkt_eth(), pkt_ip4(CLIENT4, vip), pkt_tcp(40000, 443, TH_SYN),
		     pkt_payload(42));
	return path;
}

static struct lab_path path6(const char *name, const char *vip)
{
	struct lab_path path = {.name = name, .action = XDP_TX, .floor = DRIVE_6IN6};

	packet_build(&path.packet, pkt_eth(), pkt_ip6(CLIENT6, vip), pkt_tcp(40000, 443, TH_ACK),
		     pkt_payload(22));
	packet_build(&path.opening, pkt_eth(), pkt_ip6(CLIENT6, vip), pkt_tcp(40000, 443, TH_SYN),
		     pkt_payload(22));
	return path;
}

static struct lab_path path_udp(const char *name, const char *vip)
{
	struct lab_path path = {.name = name, .action = XDP_TX, .floor = DRIVE_4IN4};

	packet_build(&path.packet, pkt_eth(), pkt_ip4(CLIENT4, vip), pkt_udp(40000, 443),
		     pkt_payload(54));
	path.opening = path.packet;
	return path;
}

size_t lab_paths(struct lab_path p[LAB_PATHS_MAX])
{
	size_t n = 0;

	p[n++] = path4("TCP IPv4, l2", "203.0.113.1");
	p[n] = path4("TCP IPv4, l2, other interface", "203.0.113.2");
	p[n++].action = XDP_REDIRECT;
	p[n] = path4("TCP IPv4, ipip 4-in-4", "203.0.113.3");
	p[n++].grows = true;
	p[n] = path4("TCP IPv4, ipip 4-in-6", "203.0.113.4");
	p[n].floor = DRIVE_4IN6;
	p[n++].grows = true;
	p[n] = path4("TCP IPv4, local", "203.0.113.5");
	p[n++].action = XDP_PASS;
	p[n++] = path6("TCP IPv6, l2", "2001:db8::1");
	p[n] = path6("TCP IPv6, ipip 6-in-6", "2001:db8::4");
	p[n++].grows = true;
	p[n] = path6("TCP IPv6, local", "2001:db8::5");
	p[n++].action = XDP_PASS;
	p[n++] = path_udp("UDP IPv4, l2", "203.0.113.1");
	return n;
}

/* With the timestamps that a client of today sends, in the place of 12 bytes of payload. */
static struct lab_path path_segment(const char *name, enum lab_telemetry telemetry, bool data)
{
	const uint8_t timestamps[] = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1};
	const uint16_t payload = HARNESS_SIZE - 14 - 20 - 32;
	struct lab_path path = path4(name, "203.0.113.1");

	path.request = path.packet;
	packet_build(&path.answer, pkt_eth(), pkt_ip4(CLIENT4, "203.0.113.1", .length = 20 + 20),
		     pkt_tcp(40000, 443, TH_ACK), pkt_payload(42));
	path.telemetry = telemetry;
	path.sequence_step = data ? payload : 0;
	packet_build(&path.packet, pkt_eth(),
		     pkt_ip4(CLIENT4, "203.0.113.1", .length = data ? 0 : 20 + 32),
		     pkt_tcp(40000, 443, TH_ACK, .options = 3), pkt_payload(payload));
	memcpy(path.packet.data + 14 + 20 + 20, timestamps, sizeof(timestamps));
	return path;
}

size_t lab_telemetry_paths(struct lab_path p[LAB_PATHS_MAX])
{
	size_t n = 0;

	p[n++] = path_segment("ACK, without telemetry", LAB_WITHOUT, false);
	p[n++] = path_segment("ACK, not sampled", LAB_UNSAMPLED, false);
	p[n++] = path_segment("ACK, sampled", LAB_SAMPLED, false);
	p[n++] = path_segment("data, without telemetry", LAB_WITHOUT, true);
	p[n++] = path_segment("data, not sampled", LAB_UNSAMPLED, true);
	p[n++] = path_segment("data, sampled", LAB_SAMPLED, true);
	return n;
}

size_t lab_other_paths(struct lab_path p[LAB_PATHS_MAX])
{
	size_t n = 0;

	p[n++] = path4("TCP IPv4, no VIP", "192.0.2.99");
	p[n++] = path6("TCP IPv6, no VIP", "2001:db8::99");
	p[n++] = path_udp("UDP IPv4, no VIP", "192.0.2.99");
	p[n++] = path4("TCP IPv4, a VIP's other port", "203.0.113.1");
	packet_build(&p[n - 1].packet, pkt_eth(), pkt_ip4(CLIENT4, "203.0.113.1"),
		     pkt_tcp(40000, 444, TH_ACK), pkt_payload(42));
	for (size_t i = 0; i < n; i++)
		p[i].action = XDP_PASS;
	return n;
}
