/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/saved.h"

#include "common/routes_yaml.h"
#include "common/text.h"
#include "common/util.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>

#define DIGEST_TEXT 64 /* hexadecimal digits of a SHA-256 */

static const char magic[] = "# steerd-state ";

static const char *const override_words[HEALTH_OVERRIDE_MAX] = {
	[HEALTH_OVERRIDE_UP] = "up",
	[HEALTH_OVERRIDE_DOWN] = "down",
	[HEALTH_OVERRIDE_DRAIN] = "drain",
};

void saved_routes_clear(struct saved_routes *saved)
{
	routes_free(saved->routes);
	free(saved->by);
	free(saved->tag);
	*saved = (struct saved_routes){0};
}

static void digest(const char *data, size_t size, char text[DIGEST_TEXT + 1])
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int length = 0;

	if (!EVP_Digest(data, size, bytes, &length, EVP_sha256(), NULL))
		abort(); /* no memory: there is no other way to fail */
	for (unsigned int i = 0; i < length; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
}

/* Puts the first line before the rest. */
static void seal(const char *rest, size_t rest_size, char **ret_text, size_t *ret_size)
{
	char first[sizeof(magic) + 16 + DIGEST_TEXT + 16], sum[DIGEST_TEXT + 1];
	size_t length;
	char *text;

	digest(rest, rest_size, sum);
	length = (size_t)snprintf(first, sizeof(first), "%s%d sha256:%s\n", magic, SAVED_FORMAT,
				  sum);
	text = util_calloc(1, length + rest_size + 1);
	memcpy(text, first, length);
	memcpy(text + length, rest, rest_size);
	*ret_text = text;
	*ret_size = length + rest_size;
}

static int refuse(char *why, const char *reason)
{
	snprintf(why, SAVED_WHY_MAX, "%s", reason);
	return -EINVAL;
}

/* Checks the first line; *ret_rest is what follows it. */
static int unseal(const char *text, size_t size, const char **ret_rest, char *why)
{
	char expected[DIGEST_TEXT + 1], sum[DIGEST_TEXT + 1];
	const char *rest = memchr(text, '\n', size);
	int format, length = 0;

	if (!rest || strncmp(text, magic, sizeof(magic) - 1))
		return refuse(why, "it does not begin as a file of steerd's state");
	rest++;
	if (sscanf(text + sizeof(magic) - 1, "%d%n", &format, &length) != 1)
		return refuse(why, "its first line is damaged");
	if (format != SAVED_FORMAT) {
		snprintf(why, SAVED_WHY_MAX, "its format is %d, and this program knows %d", format,
			 SAVED_FORMAT);
		return -EINVAL;
	}
	if (sscanf(text + sizeof(magic) - 1 + length, " sha256:%64[0-9a-f]\n", expected) != 1)
		return refuse(why, "its first line is damaged");
	digest(rest, size - (size_t)(rest - text), sum);
	if (strcmp(sum, expected))
		return refuse(why, "its checksum does not fit: it was cut short or changed");
	*ret_rest = rest;
	return 0;
}

static void put_header(FILE *out, const struct saved_routes *saved, uint64_t sequence)
{
	CLEANUP_FREE char *by = util_strdup(saved->by ? saved->by : "");
	CLEANUP_FREE char *tag = util_strdup(saved->tag ? saved->tag : "");

	text_make_printable(by);
	text_make_printable(tag);
	fputs("# Written by steerd, and read when it starts. Change a copy, not this file.\n", out);
	fprintf(out, "# sequence: %" PRIu64 "\n", sequence);
	fprintf(out, "# version: %" PRIu64 "\n", saved->version);
	fprintf(out, "# applied_unix_ms: %" PRIu64 "\n", saved->applied_unix_ms);
	fprintf(out, "# applied_by: %s\n", by);
	fprintf(out, "# tag: %s\n", tag);
}

int saved_routes_write(const struct saved_routes *saved, uint64_t sequence, char **ret_text,
		       size_t *ret_size)
{
	CLEANUP_FREE char *body = NULL, *rest = NULL;
	size_t size = 0;
	FILE *out;
	int err = routes_yaml_emit(saved->routes, &body);

	if (err)
		return err;
	out = open_memstream(&rest, &size);
	if (!out)
		return -errno;
	put_header(out, saved, sequence);
	fputs(body, out);
	if (fclose(out) == EOF)
		return -ENOMEM;
	seal(rest, size, ret_text, ret_size);
	return 0;
}

/* The value of the header's line "# NAME: VALUE", wherever it is; the caller frees. */
static char *header_value(const char *text, const char *name)
{
	size_t length = strlen(name);

	for (; *text == '#'; text = strchrnul(text, '\n'), text += *text == '\n') {
		if (strncmp(text, "# ", 2) || strncmp(text + 2, name, length) ||
		    strncmp(text + 2 + length, ": ", 2))
			continue;
		text += 2 + length + 2;
		return strndup(text, strcspn(text, "\n"));
	}
	return NULL;
}

static int header_number(const char *text, const char *name, uint64_t *ret)
{
	CLEANUP_FREE char *value = header_value(text, name);

	return value ? text_parse_number(value, ret) : -EINVAL;
}

static int read_header(const char *text, struct saved_routes *saved, uint64_t *ret_sequence)
{
	if (header_number(text, "sequence", ret_sequence) ||
	    header_number(text, "version", &saved->version) ||
	    header_number(text, "applied_unix_ms", &saved->applied_unix_ms))
		return -EINVAL;
	saved->by = header_value(text, "applied_by");
	saved->tag = header_value(text, "tag");
	return saved->by && saved->tag ? 0 : -EINVAL;
}

int saved_routes_read(const char *text, size_t size, struct saved_routes *ret,
		      uint64_t *ret_sequence, char *why)
{
	CLEANUP_PROBLEMS struct problems problems = {0};
	struct saved_routes saved = {0};
	uint64_t sequence;
	const char *rest;
	int err = unseal(text, size, &rest, why);

	if (err)
		return err;
	if (read_header(rest, &saved, &sequence)) {
		saved_routes_clear(&saved);
		return refuse(why, "its header lacks something");
	}
	err = routes_yaml_parse(rest, size - (size_t)(rest - text), &saved.routes, &problems);
	if (err) {
		snprintf(why, SAVED_WHY_MAX, "%s",
			 problems.n ? problems.items[0].message : strerror(-err));
		saved_routes_clear(&saved);
		return -EINVAL;
	}
	*ret = saved;
	*ret_sequence = sequence;
	return 0;
}

int saved_overrides_write(const struct saved_override *overrides, size_t n, char **ret_text,
			  size_t *ret_size)
{
	CLEANUP_FREE char *rest = NULL;
	char address[ADDRESS_TEXT_MAX];
	size_t size = 0;
	FILE *out = open_memstream(&rest, &size);

	if (!out)
		return -errno;
	fputs("# Written by steerd. Change it through steerctl health.\n", out);
	for (size_t i = 0; i < n; i++) {
		if (overrides[i].expires_unix_ms)
			continue;
		fprintf(out, "%s %s %s", overrides[i].stack,
			overrides[i].whole_stack ? "*"
						 : address_text(&overrides[i].address, address),
			override_words[overrides[i].override]);
		if (overrides[i].deadline_unix_ms)
			fprintf(out, " until=%" PRIu64, overrides[i].deadline_unix_ms);
		fputc('\n', out);
	}
	if (fclose(out) == EOF)
		return -ENOMEM;
	seal(rest, size, ret_text, ret_size);
	return 0;
}

static int read_override(const char *line, struct saved_override *ret)
{
	char stack[STEER_NAME], address[ADDRESS_TEXT_MAX], word[8];
	const char *end = strchrnul(line, '\n'), *until;
	struct saved_override override = {0};
	static_assert(STEER_NAME == 32 && ADDRESS_TEXT_MAX == 46, "as the widths below");

	if (sscanf(line, "%31s %45s %7[a-z]", stack, address, word) != 3)
		return -EINVAL;
	memcpy(override.stack, stack, sizeof(stack));
	override.whole_stack = !strcmp(address, "*");
	if (!override.whole_stack && address_parse(address, &override.address))
		return -EINVAL;
	for (int i = HEALTH_OVERRIDE_AUTO + 1; i < HEALTH_OVERRIDE_MAX; i++)
		if (!strcmp(word, override_words[i]))
			override.override = (enum health_override)i;
	if (override.override == HEALTH_OVERRIDE_AUTO)
		return -EINVAL;
	until = memmem(line, (size_t)(end - line), " until=", 7);
	if (until && sscanf(until, " until=%" SCNu64, &override.deadline_unix_ms) != 1)
		return -EINVAL;
	*ret = override;
	return 0;
}

int saved_overrides_read(const char *text, size_t size, struct saved_override **ret, size_t *ret_n,
			 char *why)
{
	CLEANUP_FREE struct saved_override *list = NULL;
	size_t n = 0, room = 0;
	const char *line;
	int err = unseal(text, size, &line, why);

	if (err)
		return err;
	for (; *line; line = strchrnul(line, '\n'), line += *line == '\n') {
		if (*line == '#')
			continue;
		if (n == room) {
			room = room ? 2 * room : 16;
			list = util_realloc(list, room, sizeof(*list));
		}
		if (read_override(line, &list[n]))
			return refuse(why, "it has a line that is no override");
		n++;
	}
	*ret = TAKE(list);
	*ret_n = n;
	return 0;
}
