/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the parts of the node file's reader. */
#ifndef STEER_NODE_CONFIG_FILE_H
#define STEER_NODE_CONFIG_FILE_H

#include "common/yaml_reader.h"

/* The path of a file, in *ret_path, which is freed before; a relative one is to the node file. */
void node_config_read_file(struct yaml_reader *reader, const struct tree_node *node,
			   char **ret_path);

#endif
