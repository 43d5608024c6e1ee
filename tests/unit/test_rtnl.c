/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "agent/rtnl.h"
#include "common/util.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Cut anywhere, a message is refused or read, and nothing beyond it is touched (SAN=1 looks). */
static void truncated_messages_are_not_read_beyond_their_end(void **state)
{
	_Alignas(struct nlmsghdr) char buffer[RTNL_REQUEST_MAX] = {};
	struct rtnl_neighbour neighbour = {};
	const struct nlmsghdr *whole;
	struct address address;

	(void)state;
	assert_int_equal(address_parse("fd00:1::11", &address), 0);
	whole = rtnl_put_use_neighbour(buffer, 3, &address);
	assert_int_equal(rtnl_parse_neighbour(whole, &neighbour), 0);
	assert_memory_equal(&neighbour.address, &address, sizeof(address));
	for (uint32_t size = sizeof(*whole); size < whole->nlmsg_len; size++) {
		CLEANUP_FREE struct nlmsghdr *cut = util_calloc(1, size);

		memcpy(cut, whole, size);
		cut->nlmsg_len = size;
		assert_int_equal(rtnl_parse_neighbour(cut, &neighbour), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truncated_messages_are_not_read_beyond_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
