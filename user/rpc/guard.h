/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a message must be before it is unpacked: small enough, flat enough, well formed, and
 * nothing in it that would be accepted and then ignored. Pure.
 */
#ifndef STEER_RPC_GUARD_H
#define STEER_RPC_GUARD_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guard_limits {
	size_t bytes;	    /* serialized */
	size_t elements;    /* fields, list elements and submessages */
	unsigned int depth; /* messages inside messages; 0: none */
};

/*
 * Walks the serialized bytes along the descriptor. Refused are, beside what is over a limit:
 * anything cut short, varints over 64 bits or out of the field's range, groups, wire types that
 * are not the field's, fields that the descriptor does not have, strings that are not UTF-8 or
 * contain NUL, and a submessage given twice where there is one (its two halves would be merged,
 * as often as the sender likes).
 *
 * 0; -EMSGSIZE: over a limit; -EBADMSG: malformed. *ret_error is then a sentence that says where
 * ("routes.stacks[3].weight"); the caller frees it.
 */
int guard_scan(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t size,
	       const struct guard_limits *limits, char **ret_error);

/* An allocator for protobuf-c that gives out at most so many bytes. Not thread-safe. */
struct guard_budget {
	ProtobufCAllocator allocator;
	size_t left; /* bytes, the few of bookkeeping for each block included */
	bool exceeded;
};
void guard_budget_init(struct guard_budget *budget, size_t bytes);

/*
 * Scans, then unpacks out of the budget. Free the message with guard_free(), the budget must
 * live until then. Errors as of guard_scan(), and -EMSGSIZE where the budget was too small.
 */
int guard_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data, size_t size,
		 const struct guard_limits *limits, struct guard_budget *budget,
		 ProtobufCMessage **ret_message, char **ret_error);
void guard_free(ProtobufCMessage *message, struct guard_budget *budget); /* accepts NULL */

#endif
