/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading a tree of yaml_tree.h into structs: each function takes a node, says what is wrong with
 * it as a problem with the node's path and line, and goes on, so that one run finds every error.
 */
#ifndef STEER_YAML_READER_H
#define STEER_YAML_READER_H

#include "common/yaml_tree.h"

#define YAML_READER_PATH_MAX 256

struct yaml_reader {
	struct problems *problems;
	char path[YAML_READER_PATH_MAX]; /* of the node that is read now; cut if longer */
};

typedef void (*yaml_read)(struct yaml_reader *reader, const struct tree_node *node, void *into);

struct yaml_field {
	const char *key;
	yaml_read read; /* NULL: the key is known, but not supported yet */
};

struct yaml_word {
	const char *word;
	int value; /* negative: the word is known, but not supported yet */
};

void yaml_problem(struct yaml_reader *reader, const struct tree_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A map with known keys: calls the reader of each key that is there, with the same `into`. */
void yaml_read_fields(struct yaml_reader *reader, const struct tree_node *node,
		      const struct yaml_field *fields, size_t n, void *into);

/* A map whose keys are names, and a list: calls `read` for each item, its path set. */
void yaml_read_map(struct yaml_reader *reader, const struct tree_node *node, yaml_read read,
		   void *into);
void yaml_read_list(struct yaml_reader *reader, const struct tree_node *node, yaml_read read,
		    void *into);

/* The text of a scalar; NULL, and a problem, for anything else. Belongs to the tree. */
const char *yaml_read_text(struct yaml_reader *reader, const struct tree_node *node);

/* These leave the output alone, and return false, where there is a problem. */
bool yaml_read_number(struct yaml_reader *reader, const struct tree_node *node, uint32_t min,
		      uint32_t max, uint32_t *ret_number);
bool yaml_read_duration(struct yaml_reader *reader, const struct tree_node *node, uint32_t *ret_ms);
/* "10%"; whole percents, 0 to 100. */
bool yaml_read_percent(struct yaml_reader *reader, const struct tree_node *node,
		       uint32_t *ret_percent);
bool yaml_read_address(struct yaml_reader *reader, const struct tree_node *node,
		       struct address *ret_address);
bool yaml_read_word(struct yaml_reader *reader, const struct tree_node *node,
		    const struct yaml_word *words, size_t n, int *ret_value);

#endif
