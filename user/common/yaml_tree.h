/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A YAML document as a small tree with line numbers. What our files never need and what makes a
 * parser dangerous is refused: anchors and aliases, tags, several documents, keys that are no
 * plain text, a key given twice, NUL bytes, and more than the bounds below.
 */
#ifndef STEER_YAML_TREE_H
#define STEER_YAML_TREE_H

#include "common/routes.h"

#define YAML_TREE_SIZE_MAX  (16u << 20) /* bytes of the text */
#define YAML_TREE_DEPTH_MAX 16
#define YAML_TREE_NODES_MAX 400000

enum tree_kind {
	TREE_NULL, /* nothing, ~ or null */
	TREE_SCALAR,
	TREE_LIST,
	TREE_MAP,
};

struct tree_node {
	enum tree_kind kind;
	int line;		 /* from 1; of the key where the node has one */
	char *key;		 /* in a map; else NULL */
	char *text;		 /* of a scalar, without its quotes */
	struct tree_node *items; /* of a list or a map, in the file's order */
	size_t items_n;
};

/*
 * -EINVAL with problems, -EFBIG with a problem, or 0. An empty text is a TREE_NULL. All duplicate
 * keys are collected; a syntax error ends the parse. ret_root is freed with yaml_tree_free().
 */
int yaml_tree_parse(const char *text, size_t size, struct tree_node **ret_root,
		    struct problems *problems);

/* The same for a file; also -errno, with a problem that names the file, where it cannot be read. */
int yaml_tree_load(const char *path, struct tree_node **ret_root, struct problems *problems);

void yaml_tree_free(struct tree_node *root); /* accepts NULL */

#define CLEANUP_TREE __attribute__((cleanup(yaml_tree_freep)))
static inline void yaml_tree_freep(struct tree_node **root)
{
	yaml_tree_free(*root);
}

#endif
