/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/check_vips.h"

enum { RANK_NONE, RANK_UDP, RANK_TCP, RANK_PORT };

static uint8_t rank_of(const struct route_service *service, uint16_t port)
{
	if (service->protocol == PROTOCOL_UDP)
		return RANK_UDP;
	for (size_t i = 0; i < service->ports_n; i++)
		if (service->ports[i] == port)
			return RANK_PORT;
	return service->ports_n ? RANK_TCP : RANK_PORT;
}

static void offer(struct check_vips *vips, const struct route_service *service, uint8_t rank)
{
	for (size_t i = 0; i < service->vips_n; i++) {
		const struct address *address = &service->vips[i].address;
		struct check_vip *vip = address_is_ipv4(address) ? &vips->ipv4 : &vips->ipv6;

		if (rank > vip->rank)
			*vip = (struct check_vip){.address = *address, .rank = rank};
	}
}

void check_vips_collect(const struct routes *routes, struct check_vips *ret)
{
	for (size_t i = 0; i < routes->stacks_n; i++)
		ret[i] = (struct check_vips){};
	for (size_t i = 0; i < routes->services_n; i++) {
		const struct route_service *service = &routes->services[i];

		for (size_t j = 0; j < service->split_n; j++) {
			const struct route_stack *stack =
				routes_find_stack(routes, service->split[j].stack);

			if (stack)
				offer(&ret[stack - routes->stacks], service,
				      rank_of(service, stack->health.port));
		}
	}
}

const struct address *check_vips_pick(const struct check_vips *vips, const struct address *backend,
				      enum forward forward)
{
	bool ipv4 = address_is_ipv4(backend);
	const struct check_vip *own = ipv4 ? &vips->ipv4 : &vips->ipv6;
	const struct check_vip *other = ipv4 ? &vips->ipv6 : &vips->ipv4;
	/* There is no 6-in-4. */
	bool carries_other = forward == FORWARD_AS_L2 || (forward == FORWARD_AS_IPIP && !ipv4);

	if (own->rank)
		return &own->address;
	return carries_other && other->rank ? &other->address : NULL;
}
