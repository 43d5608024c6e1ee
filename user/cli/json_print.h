/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* JSON on its way out. */
#ifndef STEER_CLI_JSON_PRINT_H
#define STEER_CLI_JSON_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * One value and a newline, on one line or indented. Numbers have as few digits as read back to
 * the same value. 0 or -EIO.
 */
int json_print(const json_t *value, bool on_one_line, FILE *out);

/* What stands in a reply; "" or 0 where a field is absent or of another type. */
const char *json_text_of(const json_t *object, const char *key);
uint64_t json_number_of(const json_t *object, const char *key); /* also from text */
double json_real_of(const json_t *object, const char *key);
bool json_flag_of(const json_t *object, const char *key);

#define CLEANUP_JSON __attribute__((cleanup(json_print_decrefp)))
static inline void json_print_decrefp(json_t **value)
{
	json_decref(*value);
}

#endif
