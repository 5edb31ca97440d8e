"""Redis killed, frozen, emptied and back: what stops, what goes on, and what is never exceeded."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from contracts.alert_memory import ERROR, INFO, WARNING
from contracts.heartbeats import BEAT
from ginkgo_data.adapters.kafka.heartbeat_wire import decode_heartbeat, encode_heartbeat
from ginkgo_data.adapters.redis.call_lease import RedisCallLease
from ginkgo_data.adapters.redis.client import RedisClient
from ginkgo_data.adapters.redis.config import RedisConfig
from ginkgo_data.adapters.redis.heartbeats import RedisHeartbeats
from ginkgo_data.adapters.redis.started_marks import RedisStartedMarks
from ginkgo_data.domain.model.errors import BrokerUnavailable
from support.processes import HOST, free_port
from support.redis_keys import RedisKeys

BACKOFF = RedisConfig().max_backoff
NOTICED = 70.0
"""Seconds after which a server that is back is used as before: a minute and the longest blind time."""


@pytest.fixture
def keys(redis_server):
    keys = RedisKeys(redis_server.url)
    yield keys
    redis_server.thaw()
    redis_server.start()
    keys.close()


def granted(budget, limit, tries):
    return [budget.take("k", limit) for _ in range(tries)].count(0.0)


class TestHeartbeats:
    @pytest.fixture
    def heartbeats(self, keys):
        return RedisHeartbeats(keys.client(), encode_heartbeat, decode_heartbeat, keys.prefix)

    def test_they_fail_while_redis_is_killed_and_go_on_by_themselves(self, redis_server, keys, heartbeats, caplog):
        heartbeats.beat(BEAT, 30.0)
        redis_server.kill()
        for _ in range(5):
            with pytest.raises(BrokerUnavailable, match="redis://"):
                heartbeats.beat(BEAT, 30.0)
            keys.clock.advance(BACKOFF)
        redis_server.start()
        heartbeats.beat(BEAT, 30.0)
        assert list(heartbeats.alive()) == [BEAT]
        away = [record for record in caplog.records if "Redis is away" in record.getMessage()]
        assert len(away) == 1

    def test_a_frozen_redis_is_given_up_and_then_not_asked_for_a_while(self, redis_server, keys, heartbeats):
        heartbeats.beat(BEAT, 30.0)
        redis_server.freeze()
        with pytest.raises(BrokerUnavailable, match="TimeoutError"):
            heartbeats.clear(BEAT.node_id)
        with pytest.raises(BrokerUnavailable, match=r"has been away for 0\.0 s and is asked again in 0\.2"):
            heartbeats.alive()
        redis_server.thaw()
        keys.clock.advance(BACKOFF)
        heartbeats.clear(BEAT.node_id)
        assert list(heartbeats.alive()) == []

    def test_a_refused_password_is_an_outage_that_does_not_show_the_password(self, keys):
        url = keys.url.replace("redis://", "redis://nobody:open-sesame@")
        heartbeats = RedisHeartbeats(RedisClient(RedisConfig(url=url), keys.clock), encode_heartbeat, decode_heartbeat)
        with pytest.raises(BrokerUnavailable) as raised:
            heartbeats.beat(BEAT, 30.0)
        assert "open-sesame" not in str(raised.value)


class TestCallBudget:
    def test_four_workers_at_once_share_one_window_exactly(self, keys):
        keys.known_budget()
        fleet = [keys.budget(0.25) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            shares = list(pool.map(lambda budget: granted(budget, 50, 40), fleet))
        assert sum(shares) == 50
        keys.pass_time(60.0)
        assert granted(fleet[0], 50, 60) == 50

    def test_a_new_or_emptied_redis_counts_as_used_up_until_it_has_seen_a_minute(self, keys):
        budget = keys.budget(0.5)
        assert budget.take("k", 4) > 0
        keys.pass_time(59.0)
        assert budget.take("k", 4) > 0
        keys.pass_time(1.5)
        assert granted(budget, 4, 5) == 2, "its share"
        keys.pass_time(NOTICED - 60.0)
        assert granted(budget, 4, 5) == 2, "and the rest, not all again"
        keys.pass_time(60.0)
        keys.raw.delete(*keys.keys())
        assert granted(budget, 4, 5) == 0

    def test_a_short_cut_pauses_nobody_longer_than_it_lasts(self, redis_server, keys):
        budget = keys.known_budget()
        redis_server.freeze()
        wait = budget.take("k", 4)
        redis_server.thaw()
        assert 0 < wait <= BACKOFF
        keys.clock.advance(wait)
        assert granted(budget, 4, 1) == 1

    def test_without_redis_each_worker_keeps_its_share_after_a_minute_of_quiet(self, redis_server, keys):
        fleet = [keys.known_budget(), keys.budget()]
        assert granted(fleet[0], 5, 5) == 5
        redis_server.kill()
        assert [granted(budget, 5, 9) for budget in fleet] == [0, 0]
        keys.clock.advance(60.0)
        assert [granted(budget, 5, 9) for budget in fleet] == [2, 2]
        keys.clock.advance(60.0)
        assert [granted(budget, 5, 9) for budget in fleet] == [2, 2]

    def test_calls_made_without_redis_are_doubted_by_all_when_it_is_back_with_its_memory(self, redis_server, keys):
        cut_off, other = keys.known_budget(), keys.budget()
        redis_server.freeze()
        assert cut_off.take("k", 4) > 0
        keys.clock.advance(60.0)
        assert granted(cut_off, 4, 3) == 2
        redis_server.thaw()
        keys.age(60.0)
        keys.clock.advance(BACKOFF)
        assert cut_off.take("k", 4) > 0
        assert granted(other, 4, 9) == 0, "it does not know that two calls were made"
        keys.pass_time(NOTICED)
        assert granted(other, 4, 9) == 4

    def test_a_closing_told_while_redis_is_away_is_kept_and_reaches_the_others(self, redis_server, keys):
        told, other = keys.known_budget(), keys.budget()
        redis_server.freeze()
        told.close_until_open("k", 600.0)
        redis_server.thaw()
        keys.clock.advance(BACKOFF)
        assert 590 < told.take("k", 4) <= 600
        assert 590 < other.take("k", 4) <= 600

    def test_a_closing_heard_of_from_redis_is_kept_without_it(self, redis_server, keys):
        told, other = keys.known_budget(), keys.budget()
        told.close_until_open("k", 600.0)
        assert other.take("k", 4) > 590
        redis_server.kill()
        assert other.take("k", 4) > 590
        keys.clock.advance(120.0)
        assert 470 < other.take("k", 4) <= 480

    def test_without_redis_a_worker_sends_one_probe_and_then_its_share(self, redis_server, keys):
        told, other = keys.known_budget(), keys.budget()
        told.close_until_open("k", 90.0)
        assert other.take("k", 8) > 1
        redis_server.kill()
        assert [granted(budget, 8, 9) for budget in (told, other)] == [0, 0]
        keys.clock.advance(90.0)
        assert [granted(budget, 8, 9) for budget in (told, other)] == [1, 1], "neither knows of the other's"
        keys.clock.advance(29.0)
        assert [granted(budget, 8, 9) for budget in (told, other)] == [0, 0]
        told.answered("k")
        assert [granted(budget, 8, 9) for budget in (told, other)] == [3, 0]
        keys.clock.advance(1.0)
        assert [granted(budget, 8, 9) for budget in (told, other)] == [0, 1]

    def test_a_closing_told_and_over_while_redis_is_away_still_wants_a_probe_of_the_fleet(self, redis_server, keys):
        told, other = keys.known_budget(), keys.budget()
        redis_server.kill()
        told.close_until_open("k", 2.0)
        keys.clock.advance(BACKOFF)
        redis_server.start()
        assert granted(told, 9, 1) == 0
        keys.pass_time(NOTICED)
        assert granted(other, 9, 3) == 1
        assert granted(told, 9, 3) == 0
        other.answered("k")
        assert granted(told, 9, 9) == 8

    def test_an_answer_that_redis_does_not_hear_costs_the_fleet_one_more_probe(self, redis_server, keys):
        told, other = keys.known_budget(), keys.budget()
        told.close_until_open("k", 90.0)
        keys.pass_time(90.0)
        assert granted(told, 9, 3) == 1
        redis_server.kill()
        told.answered("k")
        redis_server.start()
        assert granted(other, 9, 1) == 0
        keys.pass_time(NOTICED)
        assert granted(other, 9, 3) == 1
        assert granted(told, 9, 3) == 0
        other.answered("k")
        assert granted(told, 9, 9) == 8

    def test_a_redis_that_does_not_know_the_last_minute_still_gives_the_fleet_one_probe(self, keys):
        fleet = [keys.budget(), keys.budget()]
        names = [f"k{number}" for number in range(20)]
        for name in names:
            assert min(budget.take(name, 8) for budget in fleet) > 0
            fleet[0].close_until_open(name, 61.0)
        keys.pass_time(61.0)
        with ThreadPoolExecutor(2) as pool:
            for name in names:
                assert list(pool.map(lambda budget, name=name: budget.take(name, 8), fleet)).count(0.0) == 1

    def test_a_limit_heard_of_from_redis_is_kept_without_it(self, redis_server, keys):
        told, other = keys.known_budget(), keys.budget()
        told.learn("k", 4)
        assert granted(other, 100, 1) == 1
        redis_server.kill()
        assert [granted(budget, 100, 9) for budget in (told, other)] == [0, 0]
        keys.clock.advance(60.0)
        assert [granted(budget, 100, 9) for budget in (told, other)] == [2, 2]

    def test_a_limit_learned_while_redis_is_away_is_kept_and_reaches_the_others(self, redis_server, keys):
        told, other = keys.known_budget(), keys.budget()
        other.learn("k", 9)
        redis_server.kill()
        told.learn("k", 2)
        assert granted(told, 100, 1) == 0
        keys.clock.advance(60.0)
        assert granted(told, 100, 9) == 1, "its share"
        redis_server.start()
        keys.clock.advance(BACKOFF)
        assert granted(told, 100, 9) == 0
        keys.pass_time(NOTICED)
        assert granted(other, 100, 9) == 2

    def test_what_an_emptied_redis_has_forgotten_it_learns_again_from_those_who_know(self, keys):
        told, other = keys.known_budget(), keys.budget()
        told.learn("k", 2)
        told.close_until_open("k", 600.0)
        keys.raw.delete(*keys.keys())
        assert told.take("k", 100) > 590
        assert other.take("k", 100) > 590
        keys.pass_time(600.0)
        assert granted(other, 100, 9) == 1
        other.answered("k")
        assert granted(other, 100, 9) == 1

    def test_a_limit_is_not_kept_alive_by_handing_it_to_and_fro(self, keys):
        told, other = keys.known_budget(), keys.budget()
        told.learn("k", 1)
        for _ in range(24):
            assert granted(told, 9, 2) + granted(other, 9, 2) == 1
            keys.pass_time(3600.0)
        assert granted(told, 9, 9) == 9

    def test_a_share_below_one_call_is_a_call_in_more_than_a_minute(self, keys):
        lonely = keys.budget(0.25, f"redis://{HOST}:{free_port()}/0")
        assert lonely.take("k", 2) > 0
        keys.clock.advance(60.0)
        assert granted(lonely, 2, 3) == 1
        keys.clock.advance(119.0)
        assert granted(lonely, 2, 3) == 0
        keys.clock.advance(1.0)
        assert granted(lonely, 2, 3) == 1

    @pytest.mark.parametrize("seed", [0, pytest.param(2, marks=pytest.mark.soak)])
    def test_the_fleet_never_exceeds_the_limit_whatever_happens_to_redis(self, redis_server, keys, seed):
        dice = random.Random(seed)
        limit = 6
        keys.timeout = 0.3
        fleet = [keys.known_budget(), keys.budget()]
        began = time.monotonic()
        now, switch, missed, away = 0.0, 100.0, 0.0, False
        calls = {True: [], False: []}
        while now < 700.0:
            if now >= switch:
                away = not away
                stop = dice.choice([redis_server.kill, redis_server.kill, redis_server.freeze])
                if away:
                    stop()
                    # Each question to a frozen server takes real time.
                    switch = now + (66.0 if stop == redis_server.freeze else dice.choice([3.0, 30.0, 150.0]))
                else:
                    switch = now + dice.choice([5.0, 40.0, 100.0])
                    redis_server.thaw()
                    redis_server.start()
                    keys.age(missed)
                    missed = 0.0
            for budget in dice.sample(fleet, 2):
                for _ in range(dice.choice([1, 2, limit])):
                    if budget.take("k", limit) == 0.0:
                        # Time really goes by too, and Redis sees it.
                        calls[away].append(now + time.monotonic() - began)
            step = dice.choice([0.25, 1.0, 2.5, 4.0])
            now += step
            keys.clock.advance(step)
            if away:
                missed += step
            else:
                keys.age(step)
        assert min(len(calls[True]), len(calls[False])) > limit, "work went on with Redis and without it"
        both = sorted(calls[True] + calls[False])
        assert min(later - earlier for earlier, later in zip(both, both[limit:], strict=False)) >= 59.9


class TestAlertMemory:
    def test_many_workers_at_once_tell_an_alert_once(self, keys):
        fleet = [keys.alert_memory() for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            for _ in range(20):
                assert sum(pool.map(lambda memory: memory.is_news(WARNING, 3600.0), fleet)) == 1
                assert sum(pool.map(lambda memory: memory.resolve(WARNING.key), fleet)) == 1

    def test_what_was_told_before_an_outage_is_not_told_again_in_it_by_who_knows(self, redis_server, keys):
        teller, listener = keys.alert_memory(), keys.alert_memory()
        assert teller.is_news(WARNING, 3600.0)
        assert not listener.is_news(WARNING, 3600.0)
        redis_server.kill()
        assert not teller.is_news(WARNING, 3600.0)
        assert not listener.is_news(WARNING, 3600.0)
        assert listener.is_news(ERROR, 3600.0)

    def test_what_was_told_in_an_outage_is_told_by_nobody_after_it(self, redis_server, keys):
        one, two = keys.alert_memory(), keys.alert_memory()
        redis_server.kill()
        assert one.is_news(WARNING, 3600.0)
        assert not one.is_news(WARNING, 3600.0)
        redis_server.start()
        keys.clock.advance(BACKOFF)
        assert not one.is_news(WARNING, 3600.0)
        assert not two.is_news(WARNING, 3600.0)
        assert not two.is_news(INFO, 3600.0)
        keys.pass_time(3600.0)
        assert two.is_news(WARNING, 3600.0)

    def test_an_end_told_in_an_outage_is_told_once_and_the_next_alert_is_news(self, redis_server, keys):
        one, two = keys.alert_memory(), keys.alert_memory()
        assert one.is_news(WARNING, 3600.0)
        redis_server.kill()
        assert one.resolve(WARNING.key) is True
        assert one.resolve(WARNING.key) is False
        assert two.resolve(WARNING.key) is False, "it does not know of it"
        redis_server.start()
        keys.clock.advance(BACKOFF)
        assert one.is_news(WARNING, 3600.0)
        assert not two.is_news(WARNING, 3600.0)

    def test_the_end_of_what_was_told_in_an_outage_is_told_after_it(self, redis_server, keys):
        memory = keys.alert_memory()
        redis_server.kill()
        assert memory.is_news(WARNING, 3600.0)
        redis_server.start()
        keys.clock.advance(BACKOFF)
        assert memory.resolve(WARNING.key) is True
        assert memory.resolve(WARNING.key) is False

    def test_an_end_told_in_an_outage_is_not_told_again_after_it(self, redis_server, keys):
        memory = keys.alert_memory()
        assert memory.is_news(WARNING, 3600.0)
        redis_server.kill()
        assert memory.resolve(WARNING.key) is True
        redis_server.start()
        keys.clock.advance(BACKOFF)
        assert memory.resolve(WARNING.key) is False


class TestStartedMarks:
    @pytest.fixture
    def marks(self, keys):
        return RedisStartedMarks(keys.client(), f"{keys.prefix}:started")

    def test_while_redis_is_killed_nothing_is_known_and_nothing_is_raised(self, redis_server, keys, marks):
        marks.begin(["a"])
        redis_server.kill()
        for _ in range(3):
            marks.begin(["a", "b"])
            assert marks.counts(["a", "b"]) == {}
            marks.clear(["b"])
            keys.clock.advance(BACKOFF)
        redis_server.start()
        marks.begin(["c"])
        assert marks.counts(["c"]) == {"c": 1}

    def test_a_frozen_redis_delays_a_round_once_and_has_forgotten_nothing_after_it(self, redis_server, keys, marks):
        marks.begin(["a"])
        redis_server.freeze()
        began = time.monotonic()
        for _ in range(20):
            assert marks.counts(["a"]) == {}
        assert time.monotonic() - began < 2.5 * keys.timeout
        redis_server.thaw()
        keys.clock.advance(BACKOFF)
        assert marks.counts(["a"]) == {"a": 1}

    def test_a_worker_that_dies_leaves_its_marks_to_the_next(self, keys, marks):
        for _ in range(2):
            RedisStartedMarks(keys.client(), f"{keys.prefix}:started").begin(["deadly", "neighbour"])
        assert marks.counts(["deadly", "neighbour"]) == {"deadly": 2, "neighbour": 2}


class TestCallLease:
    @pytest.fixture
    def fleet(self, keys):
        return [RedisCallLease(keys.client(), f"{keys.prefix}:lease") for _ in range(2)]

    def test_while_redis_is_killed_everybody_gets_what_is_asked_for(self, redis_server, keys, fleet):
        one, two = fleet
        assert one.take(["a"], 60.0) == {"a"}
        redis_server.kill()
        for _ in range(3):
            assert one.take(["a", "b"], 60.0) == two.take(["a", "b"], 60.0) == {"a", "b"}
            one.give_back(["a"])
            keys.clock.advance(BACKOFF)
        redis_server.start()
        assert two.take(["c"], 60.0) == {"c"}
        assert one.take(["c"], 60.0) == frozenset()

    def test_a_lease_outlives_a_freeze_and_its_holder_keeps_it(self, redis_server, keys, fleet):
        one, two = fleet
        assert one.take(["a"], 60.0) == {"a"}
        redis_server.freeze()
        assert two.take(["a"], 60.0) == {"a"}, "better twice than never"
        two.give_back(["a"])
        redis_server.thaw()
        keys.clock.advance(BACKOFF)
        assert two.take(["a"], 60.0) == frozenset()
        assert one.take(["a"], 60.0) == {"a"}
