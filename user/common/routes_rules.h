/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the files of routes_check() share; nobody else's. */
#ifndef STEER_ROUTES_RULES_H
#define STEER_ROUTES_RULES_H

#include "common/routes_check.h"
#include "common/util.h"

/* Pointers to an array's items, in order; equal ones stand in the array's order. */
struct rules_index {
	const void **items;
	size_t n;
};

struct rules_state {
	const struct routes *routes;
	const struct routes_limits *limits;
	struct problems *problems;
	bool fits; /* no limit is exceeded: rules that compare all with all may run */
	struct rules_index stacks;    /* by name */
	struct rules_index *backends; /* of each stack of the document, by address */
};

typedef int (*rules_compare)(const void *a, const void *b);

struct rules_index rules_index_new(const void *items, size_t n, size_t size, rules_compare by);
void rules_index_clear(struct rules_index *index);

/* Position of the first item that is not below `key`; n where all are. */
size_t rules_index_lower(const struct rules_index *index, const void *key, rules_compare by);

#define CLEANUP_INDEX __attribute__((cleanup(rules_index_clear)))

int rules_by_stack_name(const void *a, const void *b);
int rules_by_backend_address(const void *a, const void *b);
int rules_by_vip_address(const void *a, const void *b);

/* NULL: no stack has this name. */
const struct route_stack *rules_find_stack(const struct rules_state *state, const char *name);

/* suffix: what follows "stacks.NAME" in the path; line 0: the line of the stack itself. */
void rules_stack_problem(struct rules_state *state, const struct route_stack *stack, int line,
			 const char *suffix, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void rules_service_problem(struct rules_state *state, const struct route_service *service, int line,
			   const char *suffix, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Writes ".LIST[i]". */
#define RULES_SUFFIX_MAX 48
const char *rules_item_suffix(char *suffix, const char *list, size_t i);

/* Writes "; the first is on line N", or "" where the document has no lines. */
#define RULES_FIRST_MAX 48
const char *rules_first_line(int line, char *text);

/* A place where a service names a stack. */
struct rules_mention {
	const struct route_service *service;
	const char *key; /* "split" or "failover" */
	const char *stack;
	int line;
	char suffix[RULES_SUFFIX_MAX]; /* of the path */
};

void rules_mention_problem(struct rules_state *state, const struct rules_mention *mention,
			   const char *what);

/* NULL, and a problem: it is not defined. */
const struct route_stack *rules_mentioned(struct rules_state *state,
					  const struct rules_mention *mention);

/* That the stack's forwarding can carry the service's packets, and does not carry them in rounds. */
void rules_check_carried(struct rules_state *state, const struct rules_mention *mention,
			 const struct route_stack *stack);

/* What is wrong with the stack's backends as takers of traffic, and the way out; NULL: nothing. */
struct rules_lack {
	const char *what;
	const char *remedy;
};
const struct rules_lack *rules_stack_lacks(const struct route_stack *stack);

bool rules_name_is_valid(const char *name);

void rules_check_stack(struct rules_state *state, const struct route_stack *stack);
void rules_check_service(struct rules_state *state, const struct route_service *service);
void rules_check_failover(struct rules_state *state, const struct route_service *service);

#endif
