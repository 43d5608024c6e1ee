/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "common/text.h"

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

bool address_is_ipv4(const struct address *address)
{
	return memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

int address_compare(const struct address *a, const struct address *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

int address_parse(const char *text, struct address *ret_address)
{
	struct address address = {0};

	memcpy(address.bytes, mapped_prefix, sizeof(mapped_prefix));
	if (inet_pton(AF_INET, text, address.bytes + sizeof(mapped_prefix)) == 1) {
		*ret_address = address;
		return 0;
	}
	/* The mapped notation would be a second way to write an IPv4 address. */
	if (inet_pton(AF_INET6, text, address.bytes) != 1 || address_is_ipv4(&address))
		return -EINVAL;
	*ret_address = address;
	return 0;
}

const char *address_text(const struct address *address, char *text)
{
	if (address_is_ipv4(address))
		inet_ntop(AF_INET, address->bytes + sizeof(mapped_prefix), text, ADDRESS_TEXT_MAX);
	else
		inet_ntop(AF_INET6, address->bytes, text, ADDRESS_TEXT_MAX);
	return text;
}

/* Longest text before the "/" or the last ":" of what is parsed below, with the NUL. */
#define HEAD_MAX (ADDRESS_TEXT_MAX + 2)

/* Splits off the number behind `separator`, which must be there. */
static int split_number(const char *text, char separator, char *head, uint64_t max,
			uint64_t *ret_number)
{
	const char *at = strrchr(text, separator);
	uint64_t number = 0;

	if (!at || at - text >= HEAD_MAX || text_parse_number(at + 1, &number) || number > max)
		return -EINVAL;
	memcpy(head, text, (size_t)(at - text));
	head[at - text] = '\0';
	*ret_number = number;
	return 0;
}

static bool has_host_bits(const struct address *address, unsigned int network_bits)
{
	for (unsigned int bit = network_bits; bit < 128; bit++) {
		if (address->bytes[bit / 8] & (0x80 >> (bit % 8)))
			return true;
	}
	return false;
}

int address_parse_prefix(const char *text, struct address_prefix *ret_prefix)
{
	struct address_prefix prefix = {0};
	char head[HEAD_MAX];
	uint64_t length = 0;
	bool ipv4;

	if (address_parse(text, &prefix.address) == 0) {
		prefix.bits = 128;
		*ret_prefix = prefix;
		return 0;
	}
	if (split_number(text, '/', head, 128, &length) || address_parse(head, &prefix.address))
		return -EINVAL;
	ipv4 = address_is_ipv4(&prefix.address);
	if (ipv4 && length > 32)
		return -EINVAL;
	prefix.bits = (uint8_t)(length + (ipv4 ? 96 : 0));
	if (has_host_bits(&prefix.address, prefix.bits))
		return -EDOM;
	*ret_prefix = prefix;
	return 0;
}

int address_parse_endpoint(const char *text, struct address *ret_address, uint16_t *ret_port)
{
	struct address address;
	char head[HEAD_MAX], *host = head;
	uint64_t port = 0;
	size_t n;

	if (split_number(text, ':', head, UINT16_MAX, &port) || port == 0)
		return -EINVAL;
	n = strlen(head);
	if (n > 2 && head[0] == '[' && head[n - 1] == ']') {
		head[n - 1] = '\0';
		host++;
	}
	/* Brackets go with IPv6, which has no other way to be told from its port. */
	if (address_parse(host, &address) || address_is_ipv4(&address) != (host == head))
		return -EINVAL;
	*ret_address = address;
	*ret_port = (uint16_t)port;
	return 0;
}

static const char *ipv4_special(const uint8_t *bytes)
{
	static const uint8_t broadcast[4] = {255, 255, 255, 255};

	if (bytes[0] == 0)
		return "unspecified";
	if (bytes[0] == 127)
		return "loopback";
	if (bytes[0] == 169 && bytes[1] == 254)
		return "link-local";
	if (bytes[0] >= 224 && bytes[0] <= 239)
		return "multicast";
	return memcmp(bytes, broadcast, sizeof(broadcast)) == 0 ? "broadcast" : NULL;
}

const char *address_special(const struct address *address)
{
	static const struct address unspecified, loopback = {.bytes[15] = 1};

	if (address_is_ipv4(address))
		return ipv4_special(address->bytes + sizeof(mapped_prefix));
	if (address_compare(address, &unspecified) == 0)
		return "unspecified";
	if (address_compare(address, &loopback) == 0)
		return "loopback";
	if (address->bytes[0] == 0xff)
		return "multicast";
	if (address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80)
		return "link-local";
	return NULL;
}
