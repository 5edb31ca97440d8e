"""The command stream where it can lose something: rebalances, restarts, outages, full hands. On a real broker."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from contracts.broadcasts import RELOAD, requests, taken
from contracts.broker import DATA_TOPIC, commit, receive, snapshot, values
from contracts.dead_letters import delivered, letter
from contracts.work_queue import item
from ginkgo_data.adapters.kafka.config import KafkaConfig
from ginkgo_data.adapters.kafka.dead_letters import KafkaDeadLetters
from ginkgo_data.adapters.kafka.letter_wire import LetterHeader
from ginkgo_data.adapters.kafka.notifications import KafkaNotifications
from ginkgo_data.adapters.kafka.producer import KafkaProducer
from ginkgo_data.adapters.kafka.topics import KafkaTopics
from ginkgo_data.adapters.kafka.wire import WORK_TOPIC
from ginkgo_data.domain.model.errors import BrokerUnavailable
from support.kafka_broker import RealBroker, committed, read_all, unique, until

CODES = [f"{number:06d}.SZ" for number in range(1, 51)]


pytestmark = pytest.mark.soak
"""Outages and rebalances last as long as the broker's sessions: too long for every run."""


@pytest.fixture(params=["classic", "consumer"])
def broker(request, kafka_server):
    broker = RealBroker(kafka_server, request.param)
    yield broker
    broker.close()


@pytest.fixture
def classic(kafka_server):
    broker = RealBroker(kafka_server)
    yield broker
    broker.close()


def send(broker, codes=CODES, **more):
    """Send a snapshot of each code; return the bytes."""
    sent = [snapshot(code) for code in codes]
    for value in sent:
        broker.put(value, **more)
    return sent


def gather(stream, wanted, patience=30.0):
    """Return all that arrives until `wanted` different values did."""
    got, deadline = [], time.monotonic() + patience
    while len(set(values(got))) < wanted:
        assert time.monotonic() < deadline, f"{len(set(values(got)))} of {wanted} arrived"
        got += stream.receive(500, 1.0)
    return got


def test_a_rebalance_hands_uncommitted_records_over_in_hand_or_not(broker):
    sent = send(broker)
    before = broker.open()
    taken = receive(broker, before, 10)
    commit(before, *taken[:4])
    after = broker.evict(before)
    # What was asked for when the partition went is committed, and nothing more.
    assert values(gather(after, 46)) == sent[4:]
    assert before.receive(500, 0.5) == []
    assert not before.owns(taken[0].record.partition)


def test_a_commit_after_losing_a_partition_does_not_move_the_group_back(broker):
    send(broker)
    before = broker.open()
    early = receive(broker, before, 10)
    after = broker.evict(before)
    late = gather(after, 50)
    commit(after, *late)
    end = late[-1].record.offset + 1
    until(lambda: committed(broker.bootstrap, broker.group, DATA_TOPIC) == end)
    commit(before, *early)
    time.sleep(0.5)  # a commit is sent within a tenth of a second
    assert committed(broker.bootstrap, broker.group, DATA_TOPIC) == end


def test_a_partition_that_comes_back_is_another_assignment(classic):
    send(classic, CODES[:3])
    first = classic.open()
    got = receive(classic, first, 3)
    classic.evict(first).close()
    again = receive(classic, first, 3)
    assert values(again) == values(got)
    assert again[0].record.partition != got[0].record.partition
    commit(first, *got)
    time.sleep(0.5)
    assert committed(classic.bootstrap, classic.group, DATA_TOPIC) == got[0].record.offset


def test_commits_and_records_survive_a_restart_of_the_broker(classic, kafka_server):
    sent = send(classic)
    stream = classic.open()
    got = receive(classic, stream, 20)
    commit(stream, *got)
    until(lambda: committed(classic.bootstrap, classic.group, DATA_TOPIC) == got[-1].record.offset + 1)
    (*taken, _) = receive(classic, stream, 10)
    kafka_server.stop()
    commit(stream, *taken)
    kafka_server.start()
    # The session was over before the broker was back: nothing more was committed, all of it comes again.
    classic.put(snapshot("600000.SH"))
    assert list(dict.fromkeys(values(gather(stream, 31, 60.0)))) == [*sent[20:], snapshot("600000.SH")]


def test_a_frozen_broker_delays_but_loses_and_doubles_nothing(classic, kafka_server):
    sent = send(classic)
    stream = classic.open()
    got = receive(classic, stream, 20)
    kafka_server.freeze()
    commit(stream, *got)
    assert stream.receive(0, 0.0) == []
    time.sleep(4.0)  # longer than the session: the broker, awake, has thrown the member out
    assert stream.state().turned_ago < 8.0  # the thread of the client goes on meanwhile
    kafka_server.thaw()
    classic.put(snapshot("600000.SH"))
    seen = values(gather(stream, 31, 40.0))
    # The commit came through, or the partition was taken away first: then all 50 come again, in order.
    wanted = [*sent, snapshot("600000.SH")]
    assert [value for value in dict.fromkeys(seen) if value in wanted[20:]] == wanted[20:]


@pytest.mark.parametrize("away", ["kill", "freeze"])
def test_closing_with_the_broker_away_returns_within_its_deadline(classic, kafka_server, away):
    send(classic, CODES[:5])
    stream = classic.open()
    got = receive(classic, stream, 5)
    getattr(kafka_server, away)()
    commit(stream, *got)
    closing = threading.Thread(target=stream.close, daemon=True)
    closing.start()
    closing.join(classic.config().close_timeout + 5.0)
    assert not closing.is_alive()
    assert not stream.owns(got[0].record.partition)
    stream.close()


def test_a_commit_that_nobody_acknowledges_is_said(classic, kafka_server):
    send(classic, CODES[:5])
    stream = classic.join(delivery_timeout=1.0)
    got = receive(classic, stream, 5)
    kafka_server.kill()
    commit(stream, *got[:2])
    with pytest.raises(BrokerUnavailable, match="no commit was acknowledged for"):
        until(lambda: commit(stream, *got[:2]))


def test_a_work_record_that_is_not_due_comes_back_when_it_is(broker):
    send(broker, CODES[:1])
    stream = broker.open()
    (first,) = receive(broker, stream, 1)
    due = broker.present() + timedelta(seconds=2.0)
    broker.work_queue().park(item(first, due))
    stream_ahead = [d for d in stream.receive(10, 1.0) if d.record.partition.topic == WORK_TOPIC]
    assert stream_ahead == []
    (back,) = receive(broker, stream, 1)
    assert datetime.now(UTC) >= due
    # Its partition was paused; what is parked after it comes as well.
    for piece in range(24):
        broker.work_queue().park(item(back, broker.present(), piece=piece))
    assert sorted(d.piece for d in receive(broker, stream, 24)) == list(range(24))


def test_a_full_inbox_pauses_the_intake_and_nothing_is_lost(broker):
    sent = send(broker, CODES * 4)
    stream = broker.join(inbox_limit=20)
    until(lambda: sum(stream.state().lag.values()) == 200)
    got = []
    while len(got) < 200:
        time.sleep(0.01)  # a slow worker: the client pauses and resumes many times
        more = stream.receive(7, broker.patience)
        assert more
        got += more
    assert values(got) == sent


def test_a_pause_that_was_set_before_a_rebalance_ends_after_it(classic):
    stream = classic.open()
    stream.hold(True)
    time.sleep(0.5)
    neighbour = classic.evict(stream)
    stream.hold(False)
    neighbour.close()
    sent = send(classic, CODES[:5])
    assert values(receive(classic, stream, 5)) == sent


def test_one_missing_topic_does_not_stop_the_others_and_is_read_once_it_is_there(kafka_server):
    absent = unique("later")
    broker = RealBroker(kafka_server, topics=(DATA_TOPIC, absent))
    try:
        stream = broker.join()
        broker.put(snapshot("000001.SZ"))
        commit(stream, *receive(broker, stream, 1))
        until(lambda: absent in stream.state().missing_topics)
        kafka_server.create_topic(absent, 2)
        broker.put(snapshot("000002.SZ"), topic=absent)
        (got,) = receive(broker, stream, 1)
        assert got.record.partition.topic == absent
        assert stream.state().missing_topics == {}
    finally:
        broker.close()


def test_a_topic_made_anew_under_the_stream_is_read_from_its_begin(kafka_server):
    topic = kafka_server.create_topic(unique("reset"), 1)
    broker = RealBroker(kafka_server, topics=(topic,))
    try:
        stream = broker.join()
        send(broker, CODES[:3], topic=topic)
        commit(stream, *receive(broker, stream, 3))
        kafka_server.delete_topic(topic)
        kafka_server.create_topic(topic, 1)
        sent = send(broker, CODES[10:12], topic=topic)
        assert values(gather(stream, 2)) == sent
    finally:
        broker.close()


def test_what_expired_is_known_before_a_commit_can_hide_it_also_when_the_broker_was_away(classic, kafka_server):
    send(classic, CODES[:6])
    stream = classic.open()
    got = receive(classic, stream, 6)
    commit(stream, got[0])
    stream.close()
    place = got[0].record.partition
    classic.expire(place.topic, place.number, got[3].record.offset)
    kafka_server.stop()
    stream = classic.join()
    time.sleep(3.0)
    assert stream.state().turned_ago < 5.0
    kafka_server.start()
    left = gather(stream, 3, 60.0)
    commit(stream, *left)
    until(lambda: committed(classic.bootstrap, classic.group, DATA_TOPIC) == left[-1].record.offset + 1)
    (found,) = stream.expired()
    assert (found.first, found.count) == (got[1].record.offset, 2)


def test_broadcasts_sent_in_an_outage_and_after_it_are_read(classic, kafka_server):
    reader = classic.broadcasts()
    classic.put(RELOAD % 1)
    assert requests(taken(classic, reader, 1)) == ["r-1"]
    kafka_server.stop()
    silent = time.monotonic()
    assert list(reader.take(1.0)) == []
    assert time.monotonic() - silent < 4.0
    kafka_server.start()
    classic.put(RELOAD % 2)
    assert requests(taken(classic, reader, 1)) == ["r-2"]


def test_a_reader_of_broadcasts_made_in_an_outage_begins_at_the_brokers_first_answer(classic, kafka_server):
    classic.put(RELOAD % 1)
    kafka_server.stop()
    begun = time.monotonic()
    reader = classic.broadcasts()
    assert time.monotonic() - begun < 5.0
    kafka_server.start()
    until(lambda: list(reader.take(0.5)) == [] and len(reader._places.positions()) == 2)
    classic.put(RELOAD % 2)
    assert requests(taken(classic, reader, 1)) == ["r-2"]


@pytest.mark.parametrize("away", ["kill", "freeze"])
def test_a_reader_of_broadcasts_closes_within_its_deadline(classic, kafka_server, away):
    reader = classic.broadcasts()
    getattr(kafka_server, away)()
    begun = time.monotonic()
    reader.close()
    assert time.monotonic() - begun < classic.config().close_timeout + 2.0


@pytest.fixture
def own(kafka_server):
    config = KafkaConfig(
        bootstrap_servers=kafka_server.bootstrap,
        work_topic=unique("work"),
        dead_letter_topic=unique("dlq"),
        notification_topic=unique("notifications"),
        work_partitions=3,
        delivery_timeout=10.0,
    )
    topics = KafkaTopics(config)
    producer = KafkaProducer(config, topics.restore)
    yield config, topics, producer
    producer.close()


def test_own_topics_are_made_once_and_described(own, kafka_server):
    config, topics, _ = own
    assert not any(status.ready for status in topics.status() if status.own)
    assert sorted(topics.create_own()) == sorted([config.work_topic, config.dead_letter_topic])
    assert topics.create_own() == []

    def found() -> dict[str, tuple[int, bool]]:
        return {status.name: (status.partitions, status.own) for status in topics.status()}

    # A broker says that a topic is made before its own answers name it.
    until(lambda: found()[config.work_topic] == (3, True) and found()[config.dead_letter_topic] == (1, True))
    assert found()[config.notification_topic] == (0, False)
    topics.grow(config.work_topic, 5)
    until(lambda: kafka_server.partitions(config.work_topic) == 5)


def test_a_dead_letter_topic_that_is_missing_is_made_and_the_letter_kept(own):
    config, _, producer = own
    KafkaDeadLetters(producer, config.dead_letter_topic).write(letter(delivered(b"odd", 3)))
    (kept,) = read_all(config.bootstrap_servers, config.dead_letter_topic)
    assert (kept.key().partition(b"@")[0], kept.value()) == (b"ginkgo.data.commands-1-3", b"odd")


def test_a_letter_too_large_for_its_topic_is_kept_cut(own, kafka_server):
    config, _, producer = own
    kafka_server.create_topic(config.dead_letter_topic, 1, {"max.message.bytes": "200000"})
    whole = bytes(range(256)) * 1500
    KafkaDeadLetters(producer, config.dead_letter_topic).write(letter(delivered(whole, 3)))
    (kept,) = read_all(config.bootstrap_servers, config.dead_letter_topic)
    assert kept.value() == whole[: 64 * 1024]
    assert dict(kept.headers())[LetterHeader.CUT_LENGTH] == str(len(whole)).encode()


def test_a_record_of_the_brokers_usual_limit_fits_our_topics_with_its_headers(own):
    config, topics, producer = own
    topics.create_own()
    whole = b"x" * 1_040_000
    KafkaDeadLetters(producer, config.dead_letter_topic).write(letter(delivered(whole, 3), traceback="t" * 9000))
    (kept,) = read_all(config.bootstrap_servers, config.dead_letter_topic)
    assert kept.value() == whole


def test_sending_with_the_broker_away_fails_in_time_and_works_again_after(own, kafka_server):
    config, topics, _ = own
    topics.create_own()
    producer = KafkaProducer(config.model_copy(update={"delivery_timeout": 1.0}))
    kafka_server.freeze()
    with pytest.raises(BrokerUnavailable):
        producer.send(config.work_topic, b"lost?")
    kafka_server.thaw()
    producer.send(config.work_topic, b"kept")
    assert b"kept" in {message.value() for message in read_all(config.bootstrap_servers, config.work_topic)}
    producer.close()


def test_a_burst_with_the_broker_away_holds_up_nobody_for_long_and_every_loss_is_counted(own, kafka_server):
    config, *_ = own
    kafka_server.freeze()
    options = {"queue.buffering.max.messages": SecretStr("100")}
    producer = KafkaProducer(config.model_copy(update={"options": options, "close_timeout": 1.0}))
    notifications = KafkaNotifications(producer, config.notification_topic, "data_worker_a")
    begun = time.monotonic()
    for number in range(1000):
        notifications.event("stats", {"number": number})
    assert time.monotonic() - begun < 3.0
    assert notifications.failures == 900
    producer.close()
    assert notifications.failures == 1000
