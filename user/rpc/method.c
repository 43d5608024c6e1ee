/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "rpc/method.h"

#include <string.h>

const struct rpc_method *rpc_method_find(const char *path, size_t path_size)
{
	for (unsigned int i = 0; i < rpc_methods_n; i++) {
		if (strlen(rpc_methods[i].path) == path_size &&
		    !memcmp(rpc_methods[i].path, path, path_size))
			return &rpc_methods[i];
	}
	return NULL;
}

const struct rpc_file *rpc_file_find(const char *name)
{
	for (unsigned int i = 0; i < rpc_files_n; i++) {
		if (!strcmp(rpc_files[i].name, name))
			return &rpc_files[i];
	}
	return NULL;
}

const struct rpc_file *rpc_file_with_symbol(const char *symbol)
{
	size_t low = 0, high = rpc_symbols_n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(symbol, rpc_symbols[middle].name);

		if (!order)
			return &rpc_files[rpc_symbols[middle].file];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}
