/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "common/yaml_tree.h"

#include <errno.h>
#include <yaml.h>

#include "common/util.h"

/* open[depth - 1] is the innermost list or map that is not closed yet. */
struct builder {
	struct problems *problems;
	struct tree_node *root;
	struct tree_node *open[YAML_TREE_DEPTH_MAX];
	size_t depth;
	size_t nodes;
	char *key; /* of the value that comes next */
	int key_line;
};

static void node_clear(struct tree_node *node)
{
	for (size_t i = 0; i < node->items_n; i++)
		node_clear(&node->items[i]);
	free(node->items);
	free(node->key);
	free(node->text);
}

void yaml_tree_free(struct tree_node *root)
{
	if (!root)
		return;
	node_clear(root);
	free(root);
}

static int refuse(struct builder *b, int line, const char *what)
{
	problems_add(b->problems, "", line, "%s", what);
	return -EINVAL;
}

/* Grows in powers of two; ancestors of an open node never grow, so pointers to it hold. */
static struct tree_node *append(struct tree_node *parent)
{
	size_t n = parent->items_n;

	if ((n & (n - 1)) == 0)
		parent->items = util_realloc(parent->items, n ? n * 2 : 1, sizeof(*parent->items));
	parent->items_n++;
	return memset(&parent->items[n], 0, sizeof(parent->items[n]));
}

static int add_node(struct builder *b, enum tree_kind kind, int line, struct tree_node **ret_node)
{
	struct tree_node *parent = b->depth ? b->open[b->depth - 1] : NULL;
	struct tree_node *node;

	if (++b->nodes > YAML_TREE_NODES_MAX)
		return refuse(b, line, "the document has more than 400000 values");
	node = parent ? append(parent) : b->root;
	node->kind = kind;
	node->line = b->key ? b->key_line : line;
	node->key = TAKE(b->key);
	*ret_node = node;
	return 0;
}

static bool wants_key(const struct builder *b)
{
	return b->depth && b->open[b->depth - 1]->kind == TREE_MAP && !b->key;
}

static int add_collection(struct builder *b, enum tree_kind kind, int line)
{
	struct tree_node *node = NULL;
	int err;

	if (wants_key(b))
		return refuse(b, line, "a key must be plain text");
	if (b->depth == YAML_TREE_DEPTH_MAX)
		return refuse(b, line, "the document is nested more than 16 levels deep");
	err = add_node(b, kind, line, &node);
	if (err)
		return err;
	b->open[b->depth++] = node;
	return 0;
}

static bool is_null(const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;

	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static int add_scalar(struct builder *b, const yaml_event_t *event, int line)
{
	const char *text = (const char *)event->data.scalar.value;
	struct tree_node *node = NULL;
	int err;

	if (strlen(text) != event->data.scalar.length)
		return refuse(b, line, "text with a NUL byte");
	if (wants_key(b)) {
		b->key = util_strdup(text);
		b->key_line = line;
		return 0;
	}
	err = add_node(b, is_null(event) ? TREE_NULL : TREE_SCALAR, line, &node);
	if (err)
		return err;
	if (node->kind == TREE_SCALAR)
		node->text = util_strdup(text);
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	const struct tree_node *left = *(struct tree_node *const *)a;
	const struct tree_node *right = *(struct tree_node *const *)b;
	int order = strcmp(left->key, right->key);

	return order ? order : (left > right) - (left < right);
}

static int check_duplicates(struct builder *b, const struct tree_node *map)
{
	CLEANUP_FREE const struct tree_node **sorted = util_calloc(map->items_n, sizeof(*sorted));
	int err = 0;

	for (size_t i = 0; i < map->items_n; i++)
		sorted[i] = &map->items[i];
	qsort(sorted, map->items_n, sizeof(*sorted), compare_keys);
	for (size_t i = 1; i < map->items_n; i++) {
		if (strcmp(sorted[i]->key, sorted[i - 1]->key) != 0)
			continue;
		problems_add(b->problems, sorted[i]->key, sorted[i]->line,
			     "key '%s' is given twice, first on line %d; keep one of them",
			     sorted[i]->key, sorted[i - 1]->line);
		err = -EINVAL;
	}
	return err;
}

static int take_event(struct builder *b, const yaml_event_t *event, size_t *documents)
{
	int line = (int)event->start_mark.line + 1;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++*documents > 1)
			return refuse(b, line, "a second document begins; a file holds one only");
		return 0;
	case YAML_ALIAS_EVENT:
		return refuse(b, line, "aliases (*name) are not supported; write the value out");
	case YAML_SCALAR_EVENT:
		if (event->data.scalar.anchor)
			return refuse(b, line, "anchors (&name) are not supported; remove it");
		if (event->data.scalar.tag)
			return refuse(b, line, "tags (!name) are not supported; remove it");
		return add_scalar(b, event, line);
	case YAML_SEQUENCE_START_EVENT:
		if (event->data.sequence_start.anchor)
			return refuse(b, line, "anchors (&name) are not supported; remove it");
		if (event->data.sequence_start.tag)
			return refuse(b, line, "tags (!name) are not supported; remove it");
		return add_collection(b, TREE_LIST, line);
	case YAML_MAPPING_START_EVENT:
		if (event->data.mapping_start.anchor)
			return refuse(b, line, "anchors (&name) are not supported; remove it");
		if (event->data.mapping_start.tag)
			return refuse(b, line, "tags (!name) are not supported; remove it");
		return add_collection(b, TREE_MAP, line);
	case YAML_MAPPING_END_EVENT:
		/* Reported, but the parse goes on: the other errors are worth knowing too. */
		check_duplicates(b, b->open[--b->depth]);
		return 0;
	case YAML_SEQUENCE_END_EVENT:
		b->depth--;
		return 0;
	default:
		return 0;
	}
}

static int syntax_error(struct builder *b, const yaml_parser_t *parser)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		problems_add(b->problems, "", 0, "no valid text: %s at byte %zu",
			     parser->problem ? parser->problem : "unreadable",
			     parser->problem_offset);
	else
		problems_add(b->problems, "", (int)parser->problem_mark.line + 1,
			     "no valid YAML: %s (column %zu)",
			     parser->problem ? parser->problem : "unreadable",
			     parser->problem_mark.column + 1);
	return -EINVAL;
}

static int run(struct builder *b, yaml_parser_t *parser)
{
	size_t documents = 0;
	bool done = false;

	while (!done) {
		yaml_event_t event;
		int err;

		if (!yaml_parser_parse(parser, &event))
			return syntax_error(b, parser);
		done = event.type == YAML_STREAM_END_EVENT;
		err = take_event(b, &event, &documents);
		yaml_event_delete(&event);
		if (err)
			return err;
	}
	return 0;
}

int yaml_tree_parse(const char *text, size_t size, struct tree_node **ret_root,
		    struct problems *problems)
{
	CLEANUP_TREE struct tree_node *root = util_calloc(1, sizeof(*root));
	struct builder builder = {.problems = problems, .root = root};
	size_t before = problems->total;
	yaml_parser_t parser;
	int err;

	root->kind = TREE_NULL;
	root->line = 1;
	if (size > YAML_TREE_SIZE_MAX) {
		problems_add(problems, "", 0, "larger than 16 MiB");
		return -EFBIG;
	}
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	err = run(&builder, &parser);
	yaml_parser_delete(&parser);
	free(builder.key);
	if (err)
		return err;
	if (problems->total > before)
		return -EINVAL;
	*ret_root = TAKE(root);
	return 0;
}

int yaml_tree_load(const char *path, struct tree_node **ret_root, struct problems *problems)
{
	CLEANUP_FREE char *text = NULL;
	size_t size = 0;
	int err = util_read_file(path, YAML_TREE_SIZE_MAX, &text, &size);

	if (err == -EFBIG)
		problems_add(problems, "", 0, "larger than 16 MiB");
	else if (err)
		problems_add(problems, "", 0, "cannot be read: %s", strerror(-err));
	if (err)
		return err;
	return yaml_tree_parse(text, size, ret_root, problems);
}
