"""The bus on Kafka: an idempotent producer, and reads that start where the lake says, never the broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from hki_ml.errors import Unavailable
from hki_ml.ports import Batch

PARTITIONS = 4
ANSWER_SECONDS = 30.0
_POLL_RECORDS = 10_000
_POLL_SECONDS = 0.05


class _Answers:
    """What the cluster said of each event of one call; callable as a delivery report."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self.failure: KafkaError | None = None
        self._turn = threading.Lock()  # reports reach whichever thread polls the shared producer

    def __call__(self, error: KafkaError | None, _: Any) -> None:
        with self._turn:
            if error is None:
                self.acknowledged += 1
            else:
                self.failure = error


class KafkaBus:
    """One topic of a Kafka cluster; a home's events share a partition, so they stay in order.

    Consumer groups are not used: offsets rest in the lake, in the same commit as what was read.
    """

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap, self._topic = bootstrap, topic
        self._producer: Producer | None = None
        self._turn = threading.Lock()

    def publish(self, events: Iterable[tuple[str, bytes]]) -> int:
        """Return how many events every in-sync replica has."""
        answers = _Answers()
        count = 0
        producer = self._connected()
        try:
            for key, value in events:
                self._produce(producer, key, value, answers)
                count += 1
            _await(producer, answers, count)
        except KafkaException as error:
            raise self._unavailable(error) from error
        if answers.acknowledged != count:
            self._producer = None  # what is still queued must not be sent after we said it was not
            producer.purge()
            missing = f"{count - answers.acknowledged} of {count} events unanswered"
            raise self._unavailable(answers.failure or missing)
        return count

    def _produce(self, producer: Producer, key: str, value: bytes, delivered: _Answers) -> None:
        while True:
            try:
                producer.produce(self._topic, value, key.encode(), on_delivery=delivered)
            except BufferError:
                producer.poll(0.1)
            else:
                producer.poll(0)
                return

    def partitions(self) -> tuple[int, ...]:
        """Return the numbers of the topic's partitions."""
        self._connected()
        admin = AdminClient({"bootstrap.servers": self._bootstrap})
        try:
            topic = admin.list_topics(self._topic, timeout=ANSWER_SECONDS).topics[self._topic]
        except KafkaException as error:
            raise self._unavailable(error) from error
        return tuple(sorted(topic.partitions))

    def read(self, offsets: Mapping[int, int], *, max_records: int) -> Iterator[Batch]:
        """Yield the records at or after the offsets; a partition without one from its beginning.

        Raises
        ------
        Unavailable
            If the cluster does not answer, or an offset is no longer kept.
        """
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "hki-reads-without-a-group",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",  # a gap in what is kept must be loud
                "fetch.wait.max.ms": 50,  # the end of a partition is told when this is over
            }
        )
        try:
            yield from self._read(consumer, offsets, max_records)
        except KafkaException as error:
            raise self._unavailable(error) from error
        finally:
            consumer.close()

    def _read(
        self, consumer: Consumer, offsets: Mapping[int, int], max_records: int
    ) -> Iterator[Batch]:
        unfinished = {p: self._present_end(consumer, p) for p in self.partitions()}
        consumer.assign(
            [TopicPartition(self._topic, p, offsets.get(p, OFFSET_BEGINNING)) for p in unfinished]
        )
        pending: dict[int, list[Any]] = {}
        heard = time.monotonic()
        while unfinished:
            # NOTE: consume waits until it has that many or the time is over: keep it short.
            messages = consumer.consume(_POLL_RECORDS, _POLL_SECONDS)
            heard = time.monotonic() if messages else heard
            if time.monotonic() - heard > ANSWER_SECONDS:
                raise self._unavailable(f"no answer to a read of partitions {sorted(unfinished)}")
            for message in messages:
                if message.error() is None:
                    yield from _collect(pending, message, max_records)
                elif _is_end(message.error()):
                    self._finish(unfinished, consumer, message)
        for waiting in pending.values():
            if waiting:
                yield _batch(waiting)

    def _present_end(self, consumer: Consumer, partition: int) -> int:
        where = TopicPartition(self._topic, partition)
        return int(consumer.get_watermark_offsets(where, timeout=ANSWER_SECONDS)[1])

    def _finish(self, unfinished: dict[int, int], consumer: Consumer, message: Any) -> None:
        """Let a partition be finished only where all that say where it ends agree.

        A follower that lags tells an end before the present one. A later message of the partition,
        or its end told again, decides then.
        """
        partition = message.partition()
        where = TopicPartition(self._topic, partition)
        _, fetched = consumer.get_watermark_offsets(where, cached=True)
        if message.offset() >= max(unfinished.get(partition, 0), fetched):
            unfinished.pop(partition, None)

    def _connected(self) -> Producer:
        with self._turn:  # threads that come at once share one producer
            if self._producer is None:
                self._ensure_topic()
                self._producer = Producer(
                    {
                        "bootstrap.servers": self._bootstrap,
                        "enable.idempotence": True,
                        "acks": "all",
                        "compression.type": "lz4",
                        "linger.ms": 5,
                        "delivery.timeout.ms": int(ANSWER_SECONDS * 1000),
                    }
                )
            return self._producer

    def _ensure_topic(self) -> None:
        admin = AdminClient({"bootstrap.servers": self._bootstrap})
        try:
            if self._topic in admin.list_topics(timeout=ANSWER_SECONDS).topics:
                return
            topic = NewTopic(self._topic, PARTITIONS, -1)
            admin.create_topics([topic])[self._topic].result(ANSWER_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise self._unavailable(error) from error

    def _unavailable(self, reason: object) -> Unavailable:
        return Unavailable(f"Kafka at {self._bootstrap}, topic {self._topic}: {reason}")


def _await(producer: Producer, answers: _Answers, count: int) -> None:
    """Wait until every event was acknowledged, one failed or the time is over."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while answers.acknowledged < count and answers.failure is None:
        # NOTE: an empty queue is no answer: another thread may be serving our reports just now.
        producer.flush(0.1)
        if time.monotonic() > deadline:
            return


def _is_end(error: KafkaError) -> bool:
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the name it is documented under
        return True
    if error.fatal() or not error.retriable():
        raise KafkaException(error)
    return False


def _collect(pending: dict[int, list[Any]], message: Any, max_records: int) -> Iterator[Batch]:
    waiting = pending.setdefault(message.partition(), [])
    has_gap = waiting and message.offset() != waiting[-1].offset() + 1
    if has_gap or len(waiting) >= max_records:
        yield _batch(waiting)
        waiting.clear()
    waiting.append(message)


def _batch(messages: list[Any]) -> Batch:
    first, last = messages[0], messages[-1]
    records = [message.value() or b"" for message in messages]
    return Batch(first.partition(), first.offset(), last.offset() + 1, records)
