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
	"to its checks, and lets one that was held down for going down often return.\n"
	"What becomes of the established flows of a backend that is down is the\n"
	"service's on_backend_down. An order survives a restart of steerd. Down is\n"
	"refused where it would leave a service with no backend for new flows.\n"
	"\n"
	"      --force     even so\n"
	"      --ttl TIME  a controller's view: it holds for so long unless it is said\n"
	"                  again, and does not go before an order without --ttl\n"
	"\n"
	"Examples:\n"
	"  steerctl health blue/10.1.0.11 down\n"
	"  steerctl health blue/2001:db8:1::11 auto\n"
	"  steerctl health green down --ttl 30s\n";

const char help_drain[] =
	"Takes a backend, or a whole stack, out gently: new flows go elsewhere, those\n"
	"it has stay until they end. 'steerctl health STACK[/ADDRESS] auto' ends it.\n"
	"Refused where it would leave a service with no backend for new flows.\n"
	"\n"
	"      --deadline TIME  after that the flows that are left go as the service's\n"
	"                       on_backend_down says; kept over a restart of steerd\n"
	"      --wait           shows what is left, and ends when nothing is, or the\n"
	"                       deadline has passed; with -o json a line each time;\n"
	"                       if steerd goes away it has 30 s to come back\n"
	"      --force          even if it leaves a service with no backend\n"
	"      --ttl TIME       a controller's view, as of 'steerctl health'\n"
	"\n"
	"Examples:\n"
	"  steerctl drain blue/10.1.0.11\n"
	"  steerctl drain blue --deadline 5m --wait\n";

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

const char help_top[] =
	"A live screen of services, their stacks, and the stacks' backends. It works in\n"
	"80x24 and follows the size of the terminal; wider ones get more columns. Where\n"
	"the daemon goes away it says so, and goes on when it is back.\n"
	"\n"
	"  UP        backends that take new flows, of all\n"
	"  WANT      share of the service's clients, by weight; of backends: of the stack\n"
	"  SEEN      share of its new flows in the last 10 s\n"
	"  FLOW/S    new flows; of backends: new TCP connections\n"
	"  PKT/S     packets from clients; of a stack, for all services it is in\n"
	"  CONNECT   p50 and p99 of the time to connect, in the last 10 s\n"
	"  SERVICE   the same of the backend's own part of a response; k shows the whole\n"
	"            response instead, or its last byte\n"
	"  ERR/S     SYNs sent again, resets, and requests abandoned (an estimate from\n"
	"            the sampled flows); of a stack, for all services it is in\n"
	"\n"
	"Keys: Up and Down select, Enter opens a service or a stack, Backspace goes\n"
	"back, < and > choose the column to sort by, r turns the order round, / filters\n"
	"by name, k changes the kind of latency, p pauses, + and - change the interval,\n"
	"h shows this, q ends.\n"
	"\n"
	"  -i, --interval TIME  between updates, 100ms to 60s; default 1s\n"
	"  -n, --count N        end after so many\n"
	"\n"
	"With -o json each update is one line, for programs; no terminal is needed.\n"
	"\n"
	"Examples:\n"
	"  steerctl top\n"
	"  steerctl top -o json --count 1 --interval 5s | jq '.services[].stacks'\n";

const char help_histogram[] =
	"Shows the latencies that clients had, as measured in the kernel from a sample\n"
	"of the flows (steerctl sampling): a table of all, or, where something is chosen,\n"
	"its percentiles and its shape. Counts begin with the datapath, and go on over\n"
	"restarts of steerd; with --for they begin now. A row of the shape begins at its\n"
	"label; the axis is logarithmic. 'max below' is where the last bucket ends.\n"
	"\n"
	"  -s, --service SERVICE  only of this service\n"
	"      --stack STACK      only of this stack\n"
	"      --backend ADDRESS  only of this backend\n"
	"  -k, --kind KIND        connect: SYN to the first ACK\n"
	"                         response: request to the first ACK of the response\n"
	"                         service: the backend's own part of that\n"
	"                         last-byte: request to the end of the response\n"
	"                         quic-handshake, quic-spin: of UDP services\n"
	"      --for TIME         collect for so long, as in 10s; Ctrl-C ends it early\n"
	"  -c, --compare A,B      two stacks side by side, and whether they differ: a\n"
	"                         percentile is told apart if its confidence intervals\n"
	"                         (order statistics; 99 % for all of them together) do\n"
	"                         not meet. Without --kind the service time is compared,\n"
	"                         or what comes closest to it.\n"
	"\n"
	"Without samples it says why, and the exit status is 1.\n"
	"\n"
	"Examples:\n"
	"  steerctl histogram\n"
	"  steerctl histogram --service shop --stack green --kind connect\n"
	"  steerctl histogram --compare blue,green --for 10s\n"
	"  steerctl histogram -c blue,green -o json | jq '.comparisons[].verdict'\n";

const char help_sampling[] =
	"Shows or sets which share of the new flows is measured: one in N, a power of\n"
	"two (others are rounded up); auto chooses N by the rate of new flows; off\n"
	"measures none. It takes effect with the next flow, without a gap, and lasts\n"
	"until steerd starts again; the node file's telemetry.sample is what stays.\n"
	"\n"
	"Examples:\n"
	"  steerctl sampling\n"
	"  steerctl sampling 64\n"
	"  steerctl sampling auto\n";

const char help_events[] =
	"Prints the events that steerd keeps, oldest first; times are local. With -o\n"
	"json each event is one line.\n"
	"\n"
	"  -f, --follow          stay, and print what comes\n"
	"      --after SEQUENCE  only events after this one\n"
	"  -k, --kind KIND       only of this kind: routes, backend, interface, agent or\n"
	"                        flow; several are separated by commas\n"
	"\n"
	"Examples:\n"
	"  steerctl events -f\n"
	"  steerctl events -f --kind flow,backend\n"
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
