/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/http_accept.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define QUALITY_MAX 1000

/* A piece of the header, without spaces around it. */
struct span {
	const char *text;
	size_t size;
};

/* How a media range speaks of an offer: */
enum likeness { UNLIKE, ANYTHING, SAME_TYPE, SAME };

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* The part up to the separator, which *rest steps over. */
static struct span take(struct span *rest, char separator)
{
	const char *end = memchr(rest->text, separator, rest->size);
	struct span part = *rest;

	if (end)
		part.size = (size_t)(end - part.text);
	rest->text += part.size + (end != NULL);
	rest->size -= part.size + (end != NULL);
	for (; part.size && is_space(part.text[0]); part.size--)
		part.text++;
	while (part.size && is_space(part.text[part.size - 1]))
		part.size--;
	return part;
}

static struct span span_of(const char *text)
{
	return (struct span){text, strlen(text)};
}

static bool is_same(struct span a, struct span b)
{
	return a.size == b.size && !strncasecmp(a.text, b.text, a.size);
}

static struct span unquoted(struct span value)
{
	if (value.size >= 2 && value.text[0] == '"' && value.text[value.size - 1] == '"')
		return (struct span){value.text + 1, value.size - 2};
	return value;
}

/* qvalue = "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3"0" ], in thousandths; what is none counts as 0. */
static unsigned int quality(struct span value)
{
	unsigned int q = 0, unit = QUALITY_MAX;

	if (!value.size || (value.size > 1 && value.text[1] != '.'))
		return 0;
	for (size_t i = 0; i < value.size && i < 5; i++) {
		if (i == 1)
			continue;
		if (value.text[i] < '0' || value.text[i] > '9')
			return 0;
		q += unit * (unsigned int)(value.text[i] - '0');
		unit /= 10;
	}
	return q > QUALITY_MAX ? 0 : q;
}

/* The value of a parameter; size 0: it is not there. */
static struct span parameter(struct span parameters, struct span name)
{
	while (parameters.size) {
		struct span value = take(&parameters, ';'), key = take(&value, '=');

		if (is_same(key, name))
			return unquoted(take(&value, ';'));
	}
	return (struct span){"", 0};
}

static bool has_parameters(struct span range, struct span wanted)
{
	while (wanted.size) {
		struct span value = take(&wanted, ';'), key = take(&value, '=');

		if (!is_same(parameter(range, key), value))
			return false;
	}
	return true;
}

static enum likeness compare(struct span type, struct span parameters,
			     const struct http_offer *offer)
{
	size_t major = strcspn(offer->type, "/") + 1;

	if (is_same(type, span_of("*/*")))
		return ANYTHING;
	if (type.size == major + 1 && type.text[major] == '*' &&
	    !strncasecmp(type.text, offer->type, major))
		return SAME_TYPE;
	if (!is_same(type, span_of(offer->type)) ||
	    !has_parameters(parameters, span_of(offer->parameters)))
		return UNLIKE;
	return SAME;
}

/* What the most exact range says of the offer: quality first, then how exact that is. */
static unsigned int rank(struct span accept, const struct http_offer *offer)
{
	enum likeness best = UNLIKE;
	unsigned int best_quality = 0;

	while (accept.size) {
		struct span parameters = take(&accept, ','), type = take(&parameters, ';');
		struct span q = parameter(parameters, span_of("q"));
		enum likeness likeness = compare(type, parameters, offer);

		if (likeness > best) {
			best = likeness;
			best_quality = q.size ? quality(q) : QUALITY_MAX;
		}
	}
	return best_quality ? best_quality * (SAME + 1) + best : 0;
}

size_t http_accept_best(const char *accept, const struct http_offer *offers, size_t n)
{
	unsigned int best_rank = 0;
	size_t best = 0;

	for (size_t i = 0; accept && i < n; i++) {
		unsigned int r = rank(span_of(accept), &offers[i]);

		if (r > best_rank) {
			best_rank = r;
			best = i;
		}
	}
	return best;
}
