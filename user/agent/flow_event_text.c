/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events about flows in words, and how many of them are told. */
#include "agent/flow_events.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include "common/util.h"

#define ENDPOINT_MAX (ADDRESS_TEXT_MAX + 8) /* "[address]:port" */
#define BACKEND_MAX  (ADDRESS_TEXT_MAX + STEER_NAME + 24)

void flow_event_ration_init(struct flow_event_ration *ration, uint64_t now_ms)
{
	*ration = (struct flow_event_ration){.left = FLOW_EVENTS_BURST, .filled_ms = now_ms};
}

bool flow_event_ration_take(struct flow_event_ration *ration, uint32_t suppressed, uint64_t now_ms,
			    uint64_t *ret_unreported)
{
	uint64_t more = (now_ms - ration->filled_ms) / FLOW_EVENTS_EACH_MS;

	ration->filled_ms += more * FLOW_EVENTS_EACH_MS;
	ration->left = more + ration->left > FLOW_EVENTS_BURST ? FLOW_EVENTS_BURST
							       : ration->left + (unsigned int)more;
	ration->unreported += suppressed;
	if (!ration->left) {
		ration->unreported++;
		return false;
	}
	ration->left--;
	*ret_unreported = ration->unreported;
	ration->unreported = 0;
	return true;
}

/* IPv4 addresses of a tuple may stand in the last word alone. */
static const char *endpoint(const __u32 address_be[4], uint16_t port_be, uint8_t family,
			    char text[ENDPOINT_MAX])
{
	char address[INET6_ADDRSTRLEN];

	if (family == 4) {
		inet_ntop(AF_INET, &address_be[3], address, sizeof(address));
		snprintf(text, ENDPOINT_MAX, "%s:%u", address, ntohs(port_be));
	} else {
		inet_ntop(AF_INET6, address_be, address, sizeof(address));
		snprintf(text, ENDPOINT_MAX, "[%s]:%u", address, ntohs(port_be));
	}
	return text;
}

static const char *backend_name(const char *backend, const char *stack, char text[BACKEND_MAX])
{
	if (backend[0])
		snprintf(text, BACKEND_MAX, "backend %s of stack %s", backend, stack);
	else
		snprintf(text, BACKEND_MAX, "a backend that is gone");
	return text;
}

static const char *icmp4_name(uint8_t type, uint8_t code)
{
	static const char *const unreachable[] = {
		[ICMP_NET_UNREACH] = "network unreachable",
		[ICMP_HOST_UNREACH] = "host unreachable",
		[ICMP_PROT_UNREACH] = "protocol unreachable: it takes no such tunnel",
		[ICMP_PORT_UNREACH] = "port unreachable: it takes no such tunnel",
		[ICMP_FRAG_NEEDED] = "fragmentation needed",
	};

	if (type == ICMP_DEST_UNREACH && code < ARRAY_SIZE(unreachable))
		return unreachable[code];
	if (type == ICMP_DEST_UNREACH)
		return "destination unreachable";
	return type == ICMP_TIME_EXCEEDED ? "time to live exceeded" : NULL;
}

static const char *icmp6_name(uint8_t type)
{
	switch (type) {
	case ICMP6_DST_UNREACH:
		return "destination unreachable";
	case ICMP6_PACKET_TOO_BIG:
		return "packet too big";
	case ICMP6_TIME_EXCEEDED:
		return "hop limit exceeded";
	case ICMP6_PARAM_PROB:
		return "parameter problem: it takes no such tunnel";
	default:
		return NULL;
	}
}

/* "fragmentation needed, MTU 1400", "ICMP type 9, code 0" */
static void describe_icmp(uint32_t detail, bool v6, char *text, size_t size)
{
	uint8_t type = (uint8_t)(detail >> 24), code = (uint8_t)(detail >> 16);
	const char *name = v6 ? icmp6_name(type) : icmp4_name(type, code);
	uint16_t mtu = (uint16_t)detail;

	if (!name)
		snprintf(text, size, "ICMP type %u, code %u", type, code);
	else if (mtu)
		snprintf(text, size, "%s, MTU %u", name, mtu);
	else
		snprintf(text, size, "%s", name);
}

static void describe(const struct flow_event *event, const char *backend, const char *stack,
		     char *text, size_t size)
{
	const struct flow_tuple *t = &event->tuple;
	const char *protocol = t->protocol == IPPROTO_UDP ? "udp" : "tcp";
	char client[ENDPOINT_MAX], vip[ENDPOINT_MAX], to[BACKEND_MAX], icmp[80];

	endpoint(t->src_be, t->sport_be, t->family, client);
	endpoint(t->dst_be, t->dport_be, t->family, vip);
	backend_name(backend, stack, to);
	switch (event->kind) {
	case FLOW_EVENT_FIRST_FLOW:
		snprintf(text, size, "first connection to %s: client %s to %s (%s)", to, client,
			 vip, protocol);
		break;
	case FLOW_EVENT_SYN_RETRANSMITTED:
		snprintf(text, size,
			 "client %s repeated its SYN to %s (%s): nothing came back from %s", client,
			 vip, protocol, to);
		break;
	case FLOW_EVENT_CONNECT_RESET:
		snprintf(text, size, "client %s reset its connection to %s (%s) while %s set it up",
			 client, vip, protocol, to);
		break;
	case FLOW_EVENT_RESET_STORM:
		snprintf(text, size,
			 "clients reset many connections to %s at once; one is %s to %s (%s)", to,
			 client, vip, protocol);
		break;
	case FLOW_EVENT_ABANDONED:
		snprintf(text, size, "client %s left %s (%s) while its request waited for %s",
			 client, vip, protocol, to);
		break;
	case FLOW_EVENT_TUNNEL_ERROR:
		describe_icmp(event->detail, strchr(backend, ':'), icmp, sizeof(icmp));
		snprintf(text, size, "the tunnel to %s has an error: %s; client %s to %s (%s)", to,
			 icmp, client, vip, protocol);
		break;
	default:
		snprintf(text, size, "client %s to %s (%s) by %s: event %u", client, vip, protocol,
			 to, event->kind);
	}
}

void flow_event_text(const struct flow_event *event, const char *backend, const char *stack,
		     uint64_t unreported, char *text, size_t size)
{
	size_t length;

	describe(event, backend, stack, text, size);
	length = strlen(text);
	if (unreported)
		snprintf(text + length, size - length, "; %llu more %s not reported",
			 (unsigned long long)unreported, unreported == 1 ? "was" : "were");
}
