/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "rpc/guard.h"

#include "common/util.h"

#include <errno.h>
#include <stdalign.h>

/* Before each block, so that freeing it gives its bytes back. */
struct block {
	alignas(max_align_t) size_t size; /* with this header */
};

static void *budget_alloc(void *data, size_t size)
{
	struct guard_budget *budget = data;
	struct block *block;

	if (size > SIZE_MAX - sizeof(*block) || size + sizeof(*block) > budget->left) {
		budget->exceeded = true;
		return NULL;
	}
	block = malloc(size + sizeof(*block));
	if (!block)
		return NULL;
	block->size = size + sizeof(*block);
	budget->left -= block->size;
	return block + 1;
}

static void budget_free(void *data, void *pointer)
{
	struct guard_budget *budget = data;
	struct block *block;

	if (!pointer)
		return;
	block = (struct block *)pointer - 1;
	budget->left += block->size;
	free(block);
}

void guard_budget_init(struct guard_budget *budget, size_t bytes)
{
	*budget = (struct guard_budget){
		.allocator = {budget_alloc, budget_free, budget},
		.left = bytes,
	};
}

int guard_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t size,
		 const struct guard_limits *limits, struct guard_budget *budget,
		 ProtobufCMessage **ret_message, char **ret_error)
{
	static const uint8_t empty;
	size_t bytes = budget->left;
	ProtobufCMessage *message;
	int err;

	err = guard_scan(descriptor, data, size, limits, ret_error);
	if (err)
		return err;
	message = protobuf_c_message_unpack(descriptor, &budget->allocator, size,
					    size ? data : &empty);
	if (message) {
		*ret_message = message;
		return 0;
	}
	if (budget->exceeded) {
		*ret_error = util_format("%s: unpacked, it takes more than %zu bytes of memory",
					 descriptor->name, bytes);
		return -EMSGSIZE;
	}
	*ret_error = util_format("%s: it cannot be unpacked", descriptor->name);
	return -EBADMSG;
}

void guard_free(ProtobufCMessage *message, struct guard_budget *budget)
{
	if (message)
		protobuf_c_message_free_unpacked(message, &budget->allocator);
}
