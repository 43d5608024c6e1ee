/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/yaml_reader.h"

#include <errno.h>
#include <stdarg.h>

#include "common/text.h"
#include "common/util.h"

#define CHOICES_MAX 32 /* keys or words that one place may know */

void yaml_problem(struct yaml_reader *reader, const struct tree_node *node, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	problems_add(reader->problems, reader->path, node->line, "%s", message);
}

static void path_append(struct yaml_reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void path_append(struct yaml_reader *reader, const char *format, ...)
{
	size_t length = strlen(reader->path);
	va_list args;

	va_start(args, format);
	vsnprintf(reader->path + length, sizeof(reader->path) - length, format, args);
	va_end(args);
}

static void path_enter_key(struct yaml_reader *reader, const char *key)
{
	path_append(reader, "%s%s", reader->path[0] ? "." : "", key);
}

/* What a message calls a node: its key, or its path where it is a list's item. */
static const char *node_name(const struct yaml_reader *reader, const struct tree_node *node)
{
	return node->key ? node->key : reader->path[0] ? reader->path : "the document";
}

static bool expect(struct yaml_reader *reader, const struct tree_node *node, enum tree_kind kind,
		   const char *what)
{
	if (node->kind == kind)
		return true;
	if (node->kind == TREE_NULL)
		yaml_problem(reader, node, "'%s' has no value; give it %s or remove it",
			     node_name(reader, node), what);
	else
		yaml_problem(reader, node, "'%s' must be %s", node_name(reader, node), what);
	return false;
}

/* "a, b or c" into `list`; cut where it is longer. */
static const char *join(const char *const *names, size_t n, char *list, size_t size)
{
	size_t length = 0;

	list[0] = '\0';
	for (size_t i = 0; i < n && length < size; i++)
		length += (size_t)snprintf(list + length, size - length, "%s%s",
					   i == 0	? ""
					   : i == n - 1 ? " or "
							: ", ",
					   names[i]);
	return list;
}

static void refuse_key(struct yaml_reader *reader, const struct tree_node *node,
		       const struct yaml_field *fields, size_t n)
{
	char suggestion[TEXT_SUGGESTION_MAX], list[256];
	const char *names[CHOICES_MAX];
	size_t names_n = 0;

	for (size_t i = 0; i < n && names_n < CHOICES_MAX; i++) {
		if (fields[i].read)
			names[names_n++] = fields[i].key;
	}
	if (text_suggest(node->key, names, names_n, suggestion)[0])
		yaml_problem(reader, node, "unknown key '%s'%s", node->key, suggestion);
	else
		yaml_problem(reader, node, "unknown key '%s'; it can be %s", node->key,
			     join(names, names_n, list, sizeof(list)));
}

static const struct yaml_field *find_field(const char *key, const struct yaml_field *fields,
					   size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(fields[i].key, key) == 0)
			return &fields[i];
	}
	return NULL;
}

void yaml_read_fields(struct yaml_reader *reader, const struct tree_node *node,
		      const struct yaml_field *fields, size_t n, void *into)
{
	size_t length = strlen(reader->path);

	if (!expect(reader, node, TREE_MAP, "a map of keys and values"))
		return;
	for (size_t i = 0; i < node->items_n; i++) {
		const struct tree_node *item = &node->items[i];
		const struct yaml_field *field = find_field(item->key, fields, n);

		path_enter_key(reader, item->key);
		if (!field)
			refuse_key(reader, item, fields, n);
		else if (!field->read)
			yaml_problem(reader, item, "not supported yet: %s", reader->path);
		else
			field->read(reader, item, into);
		reader->path[length] = '\0';
	}
}

void yaml_read_map(struct yaml_reader *reader, const struct tree_node *node, yaml_read read,
		   void *into)
{
	size_t length = strlen(reader->path);

	if (!expect(reader, node, TREE_MAP, "a map of names and values"))
		return;
	for (size_t i = 0; i < node->items_n; i++) {
		path_enter_key(reader, node->items[i].key);
		read(reader, &node->items[i], into);
		reader->path[length] = '\0';
	}
}

void yaml_read_list(struct yaml_reader *reader, const struct tree_node *node, yaml_read read,
		    void *into)
{
	size_t length = strlen(reader->path);

	if (!expect(reader, node, TREE_LIST, "a list"))
		return;
	for (size_t i = 0; i < node->items_n; i++) {
		path_append(reader, "[%zu]", i);
		read(reader, &node->items[i], into);
		reader->path[length] = '\0';
	}
}

const char *yaml_read_text(struct yaml_reader *reader, const struct tree_node *node)
{
	return expect(reader, node, TREE_SCALAR, "a single value") ? node->text : NULL;
}

bool yaml_read_number(struct yaml_reader *reader, const struct tree_node *node, uint32_t min,
		      uint32_t max, uint32_t *ret_number)
{
	const char *text = yaml_read_text(reader, node);
	uint64_t number = 0;

	if (!text)
		return false;
	if (text_parse_number(text, &number) || number < min || number > max) {
		yaml_problem(reader, node, "'%s' is '%s'; it must be a whole number from %u to %u",
			     node_name(reader, node), text, min, max);
		return false;
	}
	*ret_number = (uint32_t)number;
	return true;
}

bool yaml_read_duration(struct yaml_reader *reader, const struct tree_node *node, uint32_t *ret_ms)
{
	const char *text = yaml_read_text(reader, node);
	uint32_t ms = 0;
	int err;

	if (!text)
		return false;
	err = text_parse_duration(text, &ms);
	if (err == -EDOM)
		yaml_problem(reader, node, "'%s' is '%s', which has no unit; write %sms or %ss",
			     node_name(reader, node), text, text, text);
	else if (err || !ms)
		yaml_problem(reader, node,
			     "'%s' is '%s'; it must be a duration such as 100ms, 1s, 5m or 1h",
			     node_name(reader, node), text);
	if (err || !ms)
		return false;
	*ret_ms = ms;
	return true;
}

bool yaml_read_percent(struct yaml_reader *reader, const struct tree_node *node,
		       uint32_t *ret_percent)
{
	const char *text = yaml_read_text(reader, node), *end = text ? strchr(text, '%') : NULL;
	char digits[8] = "";
	uint64_t percent = 0;

	if (!text)
		return false;
	if (end && !end[1] && (size_t)(end - text) < sizeof(digits))
		memcpy(digits, text, (size_t)(end - text));
	if (text_parse_number(digits, &percent) || percent > 100) {
		yaml_problem(reader, node, "'%s' is '%s'; it must be 0%% to 100%%, such as 10%%",
			     node_name(reader, node), text);
		return false;
	}
	*ret_percent = (uint32_t)percent;
	return true;
}

bool yaml_read_address(struct yaml_reader *reader, const struct tree_node *node,
		       struct address *ret_address)
{
	const char *text = yaml_read_text(reader, node);

	if (!text)
		return false;
	if (address_parse(text, ret_address) == 0)
		return true;
	yaml_problem(reader, node,
		     "'%s' is '%s', which is no IP address; write one such as 203.0.113.10 or "
		     "2001:db8::10",
		     node_name(reader, node), text);
	return false;
}

bool yaml_read_word(struct yaml_reader *reader, const struct tree_node *node,
		    const struct yaml_word *words, size_t n, int *ret_value)
{
	const char *text = yaml_read_text(reader, node), *names[CHOICES_MAX];
	char suggestion[TEXT_SUGGESTION_MAX], list[256];
	size_t names_n = 0;

	if (!text)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i].word, text) == 0 && words[i].value >= 0) {
			*ret_value = words[i].value;
			return true;
		}
		if (strcmp(words[i].word, text) == 0) {
			yaml_problem(reader, node, "not supported yet: %s: %s", reader->path, text);
			return false;
		}
		if (words[i].value >= 0 && names_n < CHOICES_MAX)
			names[names_n++] = words[i].word;
	}
	yaml_problem(reader, node, "'%s' is '%s'%s; it must be %s", node_name(reader, node), text,
		     text_suggest(text, names, names_n, suggestion),
		     join(names, names_n, list, sizeof(list)));
	return false;
}
