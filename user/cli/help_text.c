/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "cli/help_text.h"

const char help_apply[] =
	"Reads a routes file (YAML; - is standard input), checks it, and makes it the\n"
	"live routes: packets see all of it or none. Prints what changes and which\n"
	"share of each service's clients moves to another stack. A document with errors\n"
	"changes nothing; every error is printed, with its line.\n"
	"\n"
	"  -f, --file FILE  the routes file, or - for standard input\n"
	"      --dry-run    check and plan only\n"
	"\n"
	"Examples:\n"
	"  steerctl apply -f /etc/steerd/routes.yaml --dry-run\n"
	"  steerctl status --routes | sed 's/1.41/1.42/' | steerctl apply -f -\n";

const char help_split[] =
	"Sets the split of a service, leaving all else. Weights are whole numbers from\n"
	"0 to 1000000 of any sum: a stack's share is its weight divided by the sum.\n"
	"Stacks not named get no new clients. Only the difference moves: clients of a\n"
	"stack that grows stay with it.\n"
	"\n"
	"      --dry-run    plan only\n"
	"\n"
	"Examples:\n"
	"  steerctl split shop blue=95 green=5\n"
	"  steerctl split shop green=100 --dry-run\n";

const char help_rollback[] =
	"Makes the routes before the last change live again; once more goes forward\n"
	"again. With a service, only that service goes back.\n"
	"\n"
	"Examples:\n"
	"  steerctl rollback\n"
	"  steerctl rollback shop\n";

const char help_health[] =
	"Forces a backend, or every backend of a stack, up or down; auto gives it back\n"
	"to its checks. What becomes of the established flows of a backend that is down\n"
	"is the service's on_backend_down. An override survives a restart of steerd.\n"
	"\n"
	"Examples:\n"
	"  steerctl health blue/10.1.0.11 down\n"
	"  steerctl health blue/2001:db8:1::11 auto\n"
	"  steerctl health green up\n";

const char help_drain[] =
	"Takes a backend, or a whole stack, out gently: new flows go elsewhere, those\n"
	"it has stay until they end. 'steerctl health STACK[/ADDRESS] auto' ends it.\n"
	"\n"
	"Examples:\n"
	"  steerctl drain blue/10.1.0.11\n"
	"  steerctl drain blue\n";

const char help_status[] =
	"Shows the node, its interfaces, each service with its stacks, and each stack\n"
	"with its backends. Columns of a service: WANTED is the stack's share by\n"
	"weight, NOW its share of the live table, by weight and health, and NEW FLOWS\n"
	"counts since the counter began. Bytes are counted from the IP header on, k is\n"
	"1000.\n"
	"\n"
	"      --routes     print the live routes instead, as apply reads them\n"
	"\n"
	"Examples:\n"
	"  steerctl status\n"
	"  steerctl status --routes > routes.yaml\n"
	"  steerctl status -o json | jq '.stacks[] | select(.up | not) | .name'\n";

const char help_events[] =
	"Prints the events that steerd keeps, oldest first; times are local. With -o\n"
	"json each event is one line.\n"
	"\n"
	"  -f, --follow          stay, and print what comes\n"
	"      --after SEQUENCE  only events after this one\n"
	"\n"
	"Examples:\n"
	"  steerctl events -f\n"
	"  steerctl events -o json | jq -r 'select(.kind == \"backend\") | .message'\n";

const char help_explain[] =
	"Says where a packet would go and why: one line for each stage of the datapath.\n"
	"SERVICE may be - for whichever has the VIP; PROTO is tcp or udp; an IPv6\n"
	"address stands in brackets. Changes nothing.\n"
	"\n"
	"Examples:\n"
	"  steerctl explain shop tcp 198.51.100.7:4711 203.0.113.10:443\n"
	"  steerctl explain - udp [2001:db8:9::1]:5353 [2001:db8::10]:53\n";

const char help_call[] =
	"Calls a gRPC method with a request given as JSON, and prints the answer as\n"
	"JSON. What the method is and takes is asked of the daemon itself. METHOD is\n"
	"steerd.v1.AgentService/Apply, or Apply where only one service has it. Fields\n"
	"are read as snake_case or camelCase and printed as snake_case; enum values are\n"
	"names; whole numbers above 2^53 are printed as text; bytes are base64. JSON is\n"
	"{} if absent and standard input if -. A method that takes a stream reads one\n"
	"object after another, or a list of them; of a method that answers with a\n"
	"stream each message is printed on a line of its own, until the stream ends.\n"
	"\n"
	"      --list       print the methods\n"
	"\n"
	"Examples:\n"
	"  steerctl call --list\n"
	"  steerctl call GetStatus '{\"routes\": true}'\n"
	"  steerctl call grpc.health.v1.Health/Check '{}'\n"
	"  echo '{} {}' | steerctl call Sync -\n";

const char help_completion[] =
	"The script completes commands, options, and the names of live services and\n"
	"stacks, which it asks steerd for ('completion services' and 'completion\n"
	"stacks' print them).\n"
	"\n"
	"Examples:\n"
	"  source <(steerctl completion bash)\n"
	"  steerctl completion bash > /usr/share/bash-completion/completions/steerctl\n"
	"  steerctl completion zsh > /usr/local/share/zsh/site-functions/_steerctl\n";

const char help_version[] = "The version of steerd is in 'steerctl status'.\n";

const char help_help[] = "The same as 'steerctl COMMAND --help'.\n";
