#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Each invariant of tools/chaos sees a violation that it is shown, and none where all is well."""
import os
import random
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from named_results import ROOT, run  # noqa: E402

sys.path.insert(0, os.path.join(ROOT, "tools", "chaos"))
import invariants  # noqa: E402
from observed import (Arrivals, BackendSeen, Request, Status, arrivals_parse,  # noqa: E402
                      request_parse)
from plan import Plan  # noqa: E402
from truth import DOWN, FAILING, RETURNING, TRIED, UP, RoutesTruth, Truth  # noqa: E402

ALL = ["blue1", "blue2", "green1", "green2"]


def make_plan(**fields):
    return Plan("p.yaml", service="shop", detection=1.0, recovery=4.0, flows=1000,
                stacks={"blue": {"blue1": "10.0.0.1", "blue2": "10.0.0.2"},
                        "green": {"green1": "10.0.0.3", "green2": "2001:db8::4"}}, **fields)


class World(unittest.TestCase):
    """A lab that is only told of. Time begins at 1000."""

    def setUp(self):
        self.plan = make_plan()
        self.truth = Truth(self.plan)
        self.routes = RoutesTruth({"blue": 3, "green": 1})

    def of(self, kind):
        self.one = kind(self.plan, self.truth, self.routes)
        return self.one

    def texts(self):
        return [v.text for v in self.one.violations]

    def down(self, backend, at):
        self.truth.fault_begins(backend, at)
        self.truth.fault_in_force(backend, at, "down")

    def back(self, backend, at):
        self.truth.fault_ends(backend, at)
        self.truth.fault_over(backend, at)

    def status(self, at, split=None, down=(), packets=0, **counters):
        base = {"forwarded": 4 * packets, "local": 0, "not_vip": 7, "no_backend": 0, "table": 0}
        return Status(at, at + 0.02, 1, {"shop": split or {"blue": 3, "green": 1}},
                      {b: BackendSeen(b not in down, "told so", packets, 100) for b in ALL},
                      {"shop": 4 * packets}, {**base, **counters})

    def arrivals(self, at, packets=0, received=None, **syns):
        return Arrivals(at, at + 0.02, {b: syns.get(b, 0) for b in ALL},
                        {b: packets for b in ALL}, received)


class Truths(World):
    def states(self, backend, *times):
        return [next(iter(self.truth.tracks[backend].during(t, t))) for t in times]

    def test_a_backend_is_down_when_the_detection_time_is_over(self):
        self.down("blue1", 1000)
        self.assertEqual(self.states("blue1", 999, 1000.5, 1001.5), [UP, FAILING, DOWN])
        self.back("blue1", 1010)
        self.assertEqual(self.states("blue1", 1009, 1011, 1014.5), [DOWN, RETURNING, UP])
        self.assertEqual(self.states("blue2", 1000.5), [UP])

    def test_a_fault_shorter_than_the_detection_time_is_never_down(self):
        self.down("blue1", 1000)
        self.back("blue1", 1000.5)
        self.assertEqual(self.states("blue1", 1000.4, 1001.6, 1004.6), [FAILING, RETURNING, UP])

    def test_what_was_seen_of_a_fault_may_take_a_backend_out_when_it_is_over(self):
        self.truth.fault_begins("blue1", 1000)
        self.truth.fault_in_force("blue1", 1000, "unclear")
        self.back("blue1", 1010)
        self.assertEqual(self.states("blue1", 1010.9, 1011.1, 1014.1), [FAILING, RETURNING, UP])

    def test_detection_starts_anew_when_the_agent_is_back(self):
        self.down("blue1", 1000)
        self.truth.agent_gone(1000.5)
        self.assertEqual(self.states("blue1", 1003), [FAILING])
        self.truth.agent_back(1005)
        self.assertEqual(self.states("blue1", 1005.5, 1006.5), [FAILING, DOWN])

    def test_a_bound_without_the_agent_counts_from_the_fault(self):
        self.plan.detection_without_agent = 2.0
        self.truth.agent_gone(999)
        self.down("blue1", 1000)
        self.assertEqual(self.states("blue1", 1001.5, 1002.5), [FAILING, TRIED])
        self.truth.agent_back(1004)
        self.assertEqual(self.states("blue1", 1003, 1004.5, 1005.5), [TRIED, FAILING, DOWN])

    def test_what_was_down_before_the_agent_went_stays_so(self):
        self.down("blue1", 1000)
        self.truth.agent_gone(1002)
        self.assertEqual(self.states("blue1", 1005), [DOWN])
        self.truth.agent_back(1006)
        self.assertEqual(self.states("blue1", 1006.5), [DOWN])

    def test_a_backend_that_steerd_uses_again_is_up(self):
        self.down("blue1", 1000)
        self.back("blue1", 1005)
        self.truth.seen_up("blue1", 1005.5, 1005.6)  # the fault may still show
        self.assertEqual(self.states("blue1", 1006), [RETURNING])
        self.truth.seen_up("blue1", 1006.5, 1006.6)
        self.assertEqual(self.states("blue1", 1006.4, 1006.7), [RETURNING, UP])

    def test_what_was_seen_before_a_push_was_over_tells_nothing_of_it(self):
        old, new = {"blue": 3, "green": 1}, {"blue": 1}
        self.routes.push_begins(1000, new)
        self.routes.seen(1000.1, 1000.2, old)
        self.routes.push_done(1000.3, new, False)
        self.routes.seen(1000.25, 1000.35, old)
        self.assertIsNone(self.routes.only(1000.4, 1001))
        self.routes.seen(1000.5, 1000.6, new)
        self.assertEqual(self.routes.only(1000.7, 1001), new)

    def test_nothing_is_known_of_a_stack_while_it_fails_or_returns(self):
        self.assertTrue(self.truth.stack_takes("blue", 999, 999))
        self.down("blue1", 1000)
        self.assertTrue(self.truth.stack_takes("blue", 1000.5, 1000.5))
        self.down("blue2", 1000)
        self.assertIsNone(self.truth.stack_takes("blue", 1000.5, 1000.5))
        self.assertIs(self.truth.stack_takes("blue", 1002, 1002), False)
        self.back("blue1", 1010)
        self.assertIsNone(self.truth.stack_takes("blue", 1011, 1011))

    def test_what_a_push_did_is_in_doubt_until_it_is_answered(self):
        other = {"blue": 1, "green": 1}
        self.routes.push_begins(1000, other)
        self.assertIsNone(self.routes.only(1000.1, 1000.2))
        self.routes.push_done(1001, other, True)
        self.assertEqual(self.routes.only(1001.1, 1002), other)
        self.assertIsNone(self.routes.only(999, 1002))


class Detections(World):
    def test_a_new_flow_to_a_backend_that_is_down_is_seen(self):
        self.of(invariants.Detection)
        self.down("blue1", 1000)
        for at, syns in ((1000.2, 10), (1000.9, 40), (1001.5, 44), (1002, 44)):
            self.one.on_arrivals(None, self.arrivals(at, blue1=syns, blue2=5 * syns), None)
        self.assertEqual((self.texts(), self.one.judged), ([], 1))
        self.one.on_arrivals(None, self.arrivals(1002.5, blue1=45), None)
        self.assertEqual(self.texts(), ["1 new flows went to blue1, which is down, within 0.5 s"])

    def test_without_the_agent_one_flow_a_second_may_try(self):
        self.plan.detection_without_agent = 2.0
        self.of(invariants.Detection)
        self.truth.agent_gone(999)
        self.down("blue1", 1000)
        for at, syns in ((1002.2, 10), (1003.2, 12), (1004.2, 15), (1005.2, 20)):
            self.one.on_arrivals(None, self.arrivals(at, blue1=syns), None)
        self.assertEqual(len(self.texts()), 1)
        self.assertIn("5 new flows went to blue1", self.texts()[0])

    def test_flows_are_no_violation_once_the_fault_ends(self):
        self.of(invariants.Detection)
        self.down("blue1", 1000)
        self.one.on_arrivals(None, self.arrivals(1002), None)
        self.back("blue1", 1002.2)
        self.one.on_arrivals(None, self.arrivals(1002.4, blue1=9), None)
        self.assertEqual(self.texts(), [])


class ClientsSeen(World):
    def see(self, *requests):
        for request in requests:
            self.one.on_request(request)
        self.one.on_status(self.status(1010))

    def request(self, at, latency=0.01, result="ok", kind="new"):
        return Request(at, kind, "4/1", result, latency, "blue", "blue1")

    def test_a_request_that_fails_without_a_fault_is_seen(self):
        self.of(invariants.Clients)
        self.see(self.request(1000, 3, "timeout"))
        self.assertIn("failed (timeout) after 3000 ms", self.texts()[0])

    def test_a_request_that_is_slow_without_a_fault_is_seen(self):
        self.of(invariants.Clients)
        self.see(self.request(1000, 1.01))
        self.assertIn("was slow after 1010 ms", self.texts()[0])

    def test_a_request_to_the_survivors_of_a_fault_is_to_succeed(self):
        self.of(invariants.Clients)
        self.down("blue1", 1000)
        self.see(self.request(1000.5, 3, "timeout"))
        self.assertEqual(self.texts(), [])
        self.see(self.request(1001.5, 0.1, "refused"))
        self.assertEqual(len(self.texts()), 1)

    def test_a_share_of_failures_may_be_allowed(self):
        self.plan.failed = 0.01
        self.of(invariants.Clients)
        for _ in range(200):
            self.one.on_request(self.request(1000))
        self.see(self.request(1000, 0, "reset"))
        self.assertEqual(self.texts(), [])
        self.see(self.request(1000, 0, "reset"), self.request(1000, 0, "reset"))
        self.assertEqual(len(self.texts()), 1)

    def test_a_request_that_fails_is_judged_when_steerds_doings_are_known(self):
        self.of(invariants.Clients).on_request(self.request(1000, 0, "reset"))
        self.one.on_status(self.status(1000.2))
        self.assertEqual(self.texts(), [])
        self.one.on_end(1001)
        self.assertEqual(len(self.texts()), 1)

    def test_a_request_that_fails_of_a_false_alarm_is_counted_apart(self):
        self.of(invariants.Clients)
        self.truth.alarms.append((1000.3, 1000.8))
        self.see(self.request(1000.4, 0.1, "reset"), self.request(1002, 0.1, "reset"))
        self.assertEqual((len(self.texts()), self.one.excused), (1, 1))

    def test_a_request_is_not_slow_where_only_the_load_was(self):
        self.of(invariants.Clients)
        self.truth.stall(1000, 1001.5)
        self.see(self.request(1000.1, 1.45), self.request(1000.1, 2.5))
        self.assertEqual((len(self.texts()), self.one.stalled), (1, 1))


class SharesSeen(World):
    def flow(self, kind, shares, n, result="ok", clients=1000000, at=1000.0):
        """n flows, of which each name gets its share by chance."""
        chance = random.Random(5)
        names, weights = list(shares), list(shares.values())
        for i in range(n):
            name = chance.choices(names, weights)[0]
            stack = name.rstrip("12") if kind is invariants.Backends else name
            self.one.on_request(Request(at + i / 1000, "new", f"4/{i % clients}", result, 0.01,
                                        stack if result == "ok" else "-",
                                        name if result == "ok" else "-"))
        self.one.on_end(at + n)

    def test_weights_that_hold_are_no_violation(self):
        self.of(invariants.Weights)
        self.flow(invariants.Weights, {"blue": 0.75, "green": 0.25}, 20000)
        self.assertEqual((self.texts(), self.one.judged), ([], 11))

    def test_weights_that_are_five_percent_off_are_seen(self):
        self.of(invariants.Weights)
        self.flow(invariants.Weights, {"blue": 0.70, "green": 0.30}, 40000)
        self.assertTrue(any("wanted 75.0%" in t for t in self.texts()), self.texts())

    def test_weights_are_not_judged_while_steerd_has_somebody_out_who_is_well(self):
        self.of(invariants.Weights)
        self.truth.outs.append((1001, 1001.1))
        self.flow(invariants.Weights, {"blue": 1.0}, 2000)
        self.assertEqual((self.texts(), self.one.judged, self.one.excused), ([], 0, 1))
        self.flow(invariants.Weights, {"blue": 1.0}, 2000, at=1010)
        self.assertTrue(self.texts())

    def test_weights_of_survivors_are_those_without_the_dead(self):
        self.of(invariants.Weights)
        self.down("green1", 990)
        self.down("green2", 990)
        self.flow(invariants.Weights, {"blue": 1.0}, 4000)
        self.assertEqual(self.texts(), [])
        self.flow(invariants.Weights, {"blue": 0.9, "green": 0.1}, 4000, at=1010)
        self.assertTrue(any("green has 10" in t for t in self.texts()), self.texts())

    def test_few_flows_are_not_judged(self):
        self.of(invariants.Weights)
        self.flow(invariants.Weights, {"blue": 0.1, "green": 0.9}, 900)
        self.assertEqual((self.texts(), self.one.judged), ([], 0))

    def test_flows_of_few_clients_are_few_draws(self):
        self.of(invariants.Weights)
        self.flow(invariants.Weights, {"blue": 0.70, "green": 0.30}, 4000, clients=50)
        self.assertEqual(self.texts(), [])

    def test_flows_that_failed_may_have_been_anybodys(self):
        self.of(invariants.Weights)
        self.flow(invariants.Weights, {"blue": 1.0}, 1500)
        self.assertTrue(self.texts())
        self.of(invariants.Weights)
        for i in range(1900):
            ok = i % 19 < 14
            self.one.on_request(Request(1000 + i / 1000, "new", f"4/{i}", "ok" if ok else "reset",
                                        0.01, "blue" if ok else "-", "-"))
        self.one.on_end(1010)
        self.assertEqual(self.texts(), [])

    def test_a_backend_that_gets_too_much_of_its_stack_is_seen(self):
        self.of(invariants.Backends)
        self.flow(invariants.Backends, {"blue1": 0.5, "blue2": 0.5}, 4000)
        self.assertEqual(self.texts(), [])
        self.flow(invariants.Backends, {"blue1": 0.62, "blue2": 0.38}, 4000, at=1010)
        self.assertTrue(any("of blue, wanted 50" in t for t in self.texts()), self.texts())

    def test_a_backend_that_fails_leaves_its_stack_unjudged(self):
        self.of(invariants.Backends)
        self.truth.fault_begins("blue1", 990)
        self.flow(invariants.Backends, {"blue1": 0.1, "blue2": 0.9}, 4000)
        self.assertEqual((self.texts(), self.one.judged), ([], 0))


class CountersSeen(World):
    def look(self, at, packets, arrived=None, received=None, **counters):
        arrived = packets if arrived is None else arrived
        received = 4 * packets + 7 if received is None else received
        self.one.on_arrivals(self.status(at, packets=packets, **counters),
                             self.arrivals(at + 0.03, arrived, received),
                             self.status(at + 0.06, packets=packets + 1, **counters))

    def counters(self):
        self.of(invariants.Counters)
        self.look(1000, 100)
        self.look(1001, 200)
        self.assertEqual(self.texts(), [])
        self.assertGreater(self.one.judged, 5)

    def test_a_packet_lost_on_the_way_to_backends_is_seen(self):
        self.counters()
        self.look(1002, 300, arrived=297)
        self.assertIn("arrived at backends since the beginning: 788, where 796 to 804",
                      *self.texts())

    def test_a_packet_that_was_received_and_not_counted_is_seen(self):
        self.counters()
        self.look(1002, 300, received=1300)
        self.assertIn("packets received since the beginning: 893, where 796", *self.texts())

    def test_a_packet_that_was_forwarded_without_a_backend_is_seen(self):
        self.counters()
        self.look(1002, 300, arrived=302, received=1215, forwarded=1210)
        self.assertTrue(any("packets of all backends" in t for t in self.texts()), self.texts())

    def test_a_service_that_counts_other_than_its_backends_is_seen(self):
        self.of(invariants.Counters)
        a, b = self.status(1000, packets=100), self.status(1000.1, packets=100)
        a.services["shop"] = b.services["shop"] = 399
        self.one.on_arrivals(a, self.arrivals(1000.05), b)
        self.assertTrue(any("packets of all services" in t for t in self.texts()), self.texts())

    def test_a_counter_that_goes_back_is_seen(self):
        self.counters()
        self.one.on_arrivals(self.status(1002, packets=50), self.arrivals(1002.03, 201, 815),
                             self.status(1002.06, packets=260))
        self.assertIn("counter forwarded went back from 804 to 200", self.texts())

    def test_a_drop_that_can_only_be_a_bug_is_seen(self):
        self.counters()
        self.look(1002, 300, received=1208, table=1)
        self.assertIn("packets were dropped for reason 'table', which is a bug", self.texts())


class RoutesSeen(World):
    def test_routes_that_nobody_pushed_are_seen(self):
        self.of(invariants.Routes).on_status(self.status(1000))
        self.assertEqual(self.texts(), [])
        self.one.on_status(self.status(1001, {"blue": 1}))
        self.assertEqual(self.texts(), ["version 1 has blue=1, not blue=3 green=1"])

    def test_routes_that_come_back_after_another_push_are_seen(self):
        self.of(invariants.Routes)
        self.routes.push_begins(1000, {"green": 1})
        self.routes.push_done(1000.1, {"green": 1}, True)
        self.one.on_status(self.status(1000.2, {"green": 1}))
        self.assertEqual(self.texts(), [])
        self.one.on_status(self.status(1001))
        self.assertEqual(len(self.texts()), 1)

    def test_a_push_that_was_cut_off_may_have_been_taken_or_not(self):
        for split in ({"blue": 3, "green": 1}, {"green": 1}):
            self.of(invariants.Routes)
            self.routes.push_begins(1000, {"green": 1})
            self.routes.push_done(1000.1, {"green": 1}, False)
            self.one.on_status(self.status(1000.2, split))
            self.assertEqual(self.texts(), [])
            self.assertEqual(self.routes.only(1001, 1002), split)
            self.setUp()

    def test_no_service_at_all_is_seen(self):
        status = self.status(1000)
        status.splits = {}
        self.of(invariants.Routes).on_status(status)
        self.assertEqual(self.texts(), ["version 1 has no split, not blue=3 green=1"])


class VerdictsSeen(World):
    def test_a_dead_backend_that_is_called_up_is_seen(self):
        self.of(invariants.Verdicts)
        self.down("blue1", 1000)
        self.one.on_status(self.status(1000.5))
        self.one.on_status(self.status(1001.5, down=["blue1"]))
        self.assertEqual(self.texts(), [])
        self.one.on_status(self.status(1002))
        self.assertEqual(self.texts(), ["blue1 is down, and steerd calls it up"])

    def test_a_backend_that_does_not_come_back_is_seen(self):
        self.of(invariants.Verdicts)
        self.down("blue1", 1000)
        self.back("blue1", 1002)
        for at in (1003, 1006.5, 1008):
            self.one.on_status(self.status(at, down=["blue1"]))
        self.assertEqual(self.texts(), [])
        for at in (1009, 1011):
            self.one.on_status(self.status(at, down=["blue1"]))
        self.assertEqual(self.texts(),
                         ["blue1 is well, and steerd has it down for 4.5 s: told so"])

    def test_a_backend_is_not_late_before_its_second_fault_is_over(self):
        one = self.of(invariants.Verdicts)
        self.down("blue1", 1000)
        self.back("blue1", 1002)
        self.down("blue1", 1005)
        self.truth.fault_ends("blue1", 1007)
        one.on_status(self.status(1007.1, down=["blue1"]))
        self.assertEqual(self.texts(), [])
        self.truth.fault_over("blue1", 1007.2)
        one.on_status(self.status(1011, down=["blue1"]))
        self.assertEqual(self.texts(), [])
        for at in (1012, 1016.1):
            one.on_status(self.status(at, down=["blue1"]))
        self.assertEqual(len(self.texts()), 1)

    def test_a_backend_that_flaps_may_be_held_down_for_longer(self):
        for reason, broken in (("held down for 9 s more: went down 4 times in 39 s", 0),
                               ("health check: timed out", 1)):
            self.setUp()
            self.plan.hold_off = 60
            self.of(invariants.Verdicts)
            self.down("blue1", 1000)
            self.back("blue1", 1002)
            for at in (1003, 1005.5, 1006.5, 1020):
                status = self.status(at, down=["blue1"])
                status.backends["blue1"].reason = reason
                self.one.on_status(status)
            self.assertEqual(len(self.texts()), broken, self.texts())


    def test_a_backend_that_was_out_between_two_looks_is_a_false_alarm(self):
        self.of(invariants.Verdicts)
        for at, since in ((1000, 5), (1001, 6), (1002, 99)):
            status = self.status(at)
            status.backends["blue1"].since = since
            self.one.on_status(status)
        self.assertEqual([b for _, b, _ in self.one.alarms], ["blue1"])
        self.assertTrue(self.truth.false_alarm(1001.5, 1001.6))
        self.assertFalse(self.truth.false_alarm(1003, 1004))
        self.assertEqual(self.texts(), [])

    def test_more_false_alarms_than_are_allowed_are_seen(self):
        self.plan.false_alarms = 0
        self.of(invariants.Verdicts).on_status(self.status(1000))
        self.assertEqual(self.texts(), [])
        status = self.status(1001, down=["blue1"])
        status.backends["blue1"].since = 99
        self.one.on_status(status)
        self.assertEqual(self.texts(), ["1 false alarms, blue1 the last: told so"])


class AgentSeen(World):
    def test_an_agent_that_is_not_there_is_seen(self):
        self.of(invariants.Agent).on_agent(1000, True, "")
        self.assertEqual(self.texts(), [])
        self.one.on_agent(1001, False, "steerd is not ready 6.0 s after agent-killed")
        self.assertEqual(len(self.texts()), 1)


class Texts(unittest.TestCase):
    def test_a_line_of_the_load_is_a_request(self):
        request = request_parse("1700000000.250000 held 6 17 timeout 3000000 - -")
        self.assertEqual((request.at, request.client, request.ok, request.ends),
                         (1700000000.25, "6/17", False, 1700000003.25))
        for line in ("", "x new 4 1 ok 3 blue blue1", "1.0 new 4 1 ok"):
            self.assertIsNone(request_parse(line))

    def test_arrivals_go_by_name_or_address(self):
        seen = arrivals_parse(make_plan(), "blue1 5 50\n2001:DB8:0::4 6 60\nnonsense\n", 1, 2)
        self.assertEqual((seen.syns, seen.packets),
                         ({"blue1": 5, "green2": 6}, {"blue1": 50, "green2": 60}))
        self.assertEqual(arrivals_parse(make_plan(), "blue1 5\n", 1, 2).packets, {})


if __name__ == "__main__":
    run(__name__)
