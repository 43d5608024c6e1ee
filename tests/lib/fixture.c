/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "lib/fixture.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>

#include "common/routes_check.h"
#include "common/routes_yaml.h"
#include "common/util.h"

#define DEFAULT_FLOWS	 4096
#define DEFAULT_SERVICES 64
#define DEFAULT_BACKENDS 512
#define DEFAULT_SERIES	 64
#define UP		 (BACKEND_NEW | BACKEND_KEEP | BACKEND_ROUTE)

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "fixture: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

unsigned int fixture_bind_cpu(void)
{
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all))
		die("sched_getaffinity: %s", strerror(errno));
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			die("sched_setaffinity: %s", strerror(errno));
		return cpu;
	}
	die("no CPU to run on");
}

void fixture_open(struct fixture *f, const struct fixture_sizes *sizes)
{
	struct datapath_options options = {
		.services = sizes->services ? sizes->services : DEFAULT_SERVICES,
		.backends = sizes->backends ? sizes->backends : DEFAULT_BACKENDS,
		.flows = sizes->flows ? sizes->flows : DEFAULT_FLOWS,
		.flow_ration = sizes->flow_ration ? sizes->flow_ration : UINT32_MAX,
		.series = sizes->no_telemetry ? 0 : DEFAULT_SERIES,
		.samples = DEFAULT_FLOWS,
	};
	bool kept;
	int err;

	*f = (struct fixture){.cpu = fixture_bind_cpu()};
	err = datapath_open(&options, &f->datapath, &kept);
	if (err)
		die("the datapath does not open: %s (are you root?)", strerror(-err));
	f->view = datapath_view(f->datapath);
	f->slots.services = slots_new(f->view->service_slots);
	f->slots.shares = slots_new(f->view->share_slots);
	f->slots.backends = slots_new(f->view->backend_slots);
}

void fixture_close(struct fixture *f)
{
	for (int i = 0; i < STEER_BANKS; i++)
		compiled_free(f->banks[i]);
	slots_free(f->slots.services);
	slots_free(f->slots.shares);
	slots_free(f->slots.backends);
	datapath_free(f->datapath);
	*f = (struct fixture){};
}

/* As they lie in memory, of the header in RFC 791 with what every packet changes left out. */
static uint32_t outer_sum(const struct backend *b)
{
	const uint8_t head[] = {0x45, 0, 0x40, 0, 64, 0};
	uint16_t words[7];
	uint32_t sum = 0;

	memcpy(words, head, sizeof(head));
	memcpy(words + 3, b->outer_src + 12, 4);
	memcpy(words + 5, b->address + 12, 4);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		sum += words[i];
	return sum;
}

static void parse_address(const char *text, struct address *ret)
{
	if (address_parse(text, ret))
		die("not an address: '%s'", text);
}

void fixture_set_source(const struct fixture *f, uint32_t slot, const char *text, uint8_t bits)
{
	struct backend *b = &f->view->backends[slot];
	struct address source;

	parse_address(text, &source);
	memcpy(b->outer_src, source.bytes, sizeof(b->outer_src));
	b->outer_sum = outer_sum(b);
	b->source_bits = bits;
}

static void fill_backend(uint32_t slot, const struct route_stack *stack,
			 const struct address *address, void *userdata)
{
	const struct fixture *f = userdata;
	struct backend *b = &f->view->backends[slot];
	bool v4 = address_is_ipv4(address);

	*b = (struct backend){
		.state = UP,
		.forward = (uint8_t)stack->forward,
		.generation = (uint16_t)(b->generation + 1),
		.ifindex = FIXTURE_IFINDEX,
		.mtu = FIXTURE_MTU,
		.dst_mac = {6, 0, 0, 0, (uint8_t)(slot >> 8), (uint8_t)slot},
		.src_mac = {2, 0, 0, 0, (uint8_t)(slot >> 8), (uint8_t)slot},
		.outer_family = v4 ? 4 : 6,
	};
	memcpy(b->address, address->bytes, sizeof(b->address));
	snprintf(b->stack, sizeof(b->stack), "%s", stack->name);
	fixture_set_source(f, slot, v4 ? FIXTURE_SOURCE4 : FIXTURE_SOURCE6, 0);
}

static void free_backend(uint32_t slot, void *userdata)
{
	const struct fixture *f = userdata;
	uint16_t generation = f->view->backends[slot].generation;

	f->view->backends[slot] = (struct backend){.generation = (uint16_t)(generation + 1)};
}

static void release_bank(struct fixture *f, unsigned int bank)
{
	slots_release(f->slots.services, 1U << bank, NULL, NULL);
	slots_release(f->slots.shares, 1U << bank, NULL, NULL);
	slots_release(f->slots.backends, 1U << bank, free_backend, f);
}

static struct routes *parse_routes(const char *yaml)
{
	const struct routes_limits limits = {16384, STEER_STACKS, 32768, STEER_VIP_KEYS_MAX};
	struct problems problems = {};
	struct routes *routes = NULL;

	if (routes_yaml_parse(yaml, strlen(yaml), &routes, &problems) ||
	    routes_check(routes, &limits, &problems))
		die("these routes are no good:\n%s\n%s", problems_text(&problems, "yaml"), yaml);
	problems_clear(&problems);
	routes_sort(routes);
	return routes;
}

static const struct compiled *live(const struct fixture *f)
{
	const struct compiled *compiled = f->banks[f->view->control->active];

	if (!compiled)
		die("no routes are live");
	return compiled;
}

void fixture_apply(struct fixture *f, const char *yaml)
{
	unsigned int active = f->view->control->active;
	unsigned int bank = f->banks[active] ? !active : active;
	struct compiled *before = f->banks[bank];
	struct problems problems = {};

	release_bank(f, bank);
	f->banks[bank] = NULL;
	if (bank_compile(parse_routes(yaml), ++f->version, bank, &f->slots, f->view,
			 f->banks[active], fill_backend, f, &f->banks[bank], &problems))
		die("the routes do not compile: %s", problems_text(&problems, NULL));
	bank_write(f->view, bank, f->banks[bank], before);
	bank_activate(f->view, bank);
	compiled_free(before);
}

static size_t find_stack(const struct fixture *f, const char *name)
{
	const struct routes *routes = live(f)->routes;
	const struct route_stack *stack = routes_find_stack(routes, name);

	if (!stack)
		die("no stack '%s'", name);
	return (size_t)(stack - routes->stacks);
}

uint32_t fixture_slot(const struct fixture *f, const char *name, const char *text)
{
	const struct compiled_stack *stack = &live(f)->stacks[find_stack(f, name)];
	struct address address;

	if (!text[0])
		return stack->slots[0];
	parse_address(text, &address);
	for (size_t i = 0; i < stack->route->backends_n; i++)
		if (!address_compare(&stack->route->backends[i].address, &address))
			return stack->slots[i];
	die("stack '%s' has no backend %s", name, text);
}

struct backend *fixture_backend(const struct fixture *f, const char *stack, const char *address)
{
	return &f->view->backends[fixture_slot(f, stack, address)];
}

void fixture_set_state(const struct fixture *f, const char *stack, const char *address,
		       uint8_t state)
{
	__atomic_store_n(&fixture_backend(f, stack, address)->state, state, __ATOMIC_RELEASE);
}

void fixture_set_stack_state(const struct fixture *f, const char *name, uint8_t state)
{
	const struct compiled_stack *stack = &live(f)->stacks[find_stack(f, name)];

	for (size_t i = 0; i < stack->slots_n; i++)
		f->view->backends[stack->slots[i]].state = state;
}

void fixture_overlay(const struct fixture *f, const char *stack)
{
	bank_overlay(f->view, f->view->control->active, live(f), find_stack(f, stack));
}

uint32_t fixture_service(const struct fixture *f, const char *name)
{
	const struct compiled *compiled = live(f);
	const struct route_service *service = routes_find_service(compiled->routes, name);

	if (!service)
		die("no service '%s'", name);
	return compiled->services[service - compiled->routes->services].slot;
}

void fixture_forget_flows(const struct fixture *f)
{
	memset(f->view->flows, 0, f->view->flow_buckets * sizeof(struct flow_bucket));
}

struct reasons fixture_reasons(const struct fixture *f)
{
	struct reasons sum = {};

	for (uint32_t cpu = 0; cpu < f->view->cpus; cpu++) {
		const struct reasons *r = &f->view->reasons[cpu];

#define X(name, NAME) sum.name += r->name;
		STEER_REASONS(X)
#undef X
#define X(name) sum.name += r->name;
		STEER_NOTES(X)
#undef X
	}
	return sum;
}

static struct traffic sum_traffic(const struct fixture *f, const struct traffic *counters,
				  uint32_t slots, uint32_t slot)
{
	struct traffic sum = {};

	for (uint32_t cpu = 0; cpu < f->view->cpus; cpu++) {
		sum.packets += counters[cpu * slots + slot].packets;
		sum.bytes += counters[cpu * slots + slot].bytes;
	}
	return sum;
}

struct traffic fixture_backend_traffic(const struct fixture *f, uint32_t slot)
{
	return sum_traffic(f, f->view->backend_counters, f->view->backend_slots, slot);
}

struct traffic fixture_service_traffic(const struct fixture *f, const char *name)
{
	return sum_traffic(f, f->view->service_counters, f->view->service_slots,
			   fixture_service(f, name));
}

uint64_t fixture_new_flows(const struct fixture *f, const char *service, const char *stack)
{
	char key[2 * STEER_NAME + 2];
	uint64_t sum = 0;
	uint32_t slot;

	snprintf(key, sizeof(key), "%s/%s", service, stack);
	if (slots_find(f->slots.shares, key, &slot))
		die("no share '%s'", key);
	for (uint32_t cpu = 0; cpu < f->view->cpus; cpu++)
		sum += f->view->share_counters[cpu * f->view->share_slots + slot].new_flows;
	return sum;
}

void fixture_run_program(int program_fd, const struct packet *in, uint32_t *ret_action,
			 struct packet *ret_out)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->data, .data_size_in = (__u32)in->size,
		    .data_out = ret_out->data, .data_size_out = sizeof(ret_out->data), .repeat = 1);
	int err = bpf_prog_test_run_opts(program_fd, &run);

	if (err)
		die("the kernel does not run a packet of %zu bytes: %s", in->size, strerror(-err));
	*ret_action = run.retval;
	ret_out->size = run.data_size_out;
}

void fixture_send(const struct fixture *f, const struct packet *in, struct outcome *ret)
{
	struct reasons before = fixture_reasons(f), after;
	const __u64 *b = &before.forwarded, *a = &after.forwarded;

	fixture_run_program(datapath_program_fd(f->datapath), in, &ret->action, &ret->out);
	after = fixture_reasons(f);
	ret->reason = -1;
	for (int i = 0; i < REASON_MAX; i++) {
		if (a[i] == b[i])
			continue;
		if (a[i] != b[i] + 1 || ret->reason >= 0) {
			ret->reason = -1;
			return;
		}
		ret->reason = i;
	}
}

int fixture_receiver(const struct outcome *outcome)
{
	const uint8_t *mac = outcome->out.data;

	if (outcome->reason != REASON_FORWARDED || mac[0] != 6 || mac[1] || mac[2] || mac[3])
		return -1;
	return mac[4] << 8 | mac[5];
}

const char *fixture_reason_name(int reason)
{
	static const char *const names[] = {
#define X(name, NAME) [REASON_##NAME] = #name,
		STEER_REASONS(X)
#undef X
	};

	return reason >= 0 && reason < REASON_MAX ? names[reason] : "nothing, or several";
}
