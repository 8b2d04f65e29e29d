"""What a bus promises, held against each of ours."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from hki_ml.adapters.bus_local import LocalBus
from hki_ml.errors import Unavailable
from hki_ml.ports import EventBus
from tests import servers


@pytest.fixture(scope="module")
def kafka_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.kafka(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture(params=["local", pytest.param("kafka", marks=pytest.mark.server)])
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> EventBus:
    if request.param == "local":
        return LocalBus(tmp_path / "bus")
    address = request.getfixturevalue("kafka_address")
    from hki_ml.adapters.bus_kafka import KafkaBus

    return KafkaBus(address, f"t-{uuid.uuid4().hex[:8]}")


def events(n: int, key: str = "home") -> list[tuple[str, bytes]]:
    return [(f"{key} {i % 7}", f"{key} {i % 7}:{i}".encode()) for i in range(n)]


def read_all(bus: EventBus, offsets: dict[int, int] | None = None, n: int = 1_000) -> list[bytes]:
    return [record for batch in bus.read(offsets or {}, max_records=n) for record in batch.records]


def test_what_was_published_is_read_once(bus: EventBus) -> None:
    sent = events(2_500)
    assert bus.publish(sent) == 2_500
    assert sorted(read_all(bus)) == sorted(value for _, value in sent)


def test_an_empty_bus_reads_as_nothing(bus: EventBus) -> None:
    assert read_all(bus) == []


def test_the_events_of_a_home_stay_in_order(bus: EventBus) -> None:
    bus.publish(events(1_000))
    bus.publish(events(1_000))
    for key in range(7):
        mine = [r for r in read_all(bus) if r.startswith(f"home {key}:".encode())]
        wanted = [v for _, v in events(1_000) if v.startswith(f"home {key}:".encode())]
        assert mine == wanted * 2


def test_batches_have_no_gap_and_at_most_the_wanted_size(bus: EventBus) -> None:
    bus.publish(events(1_000))
    bus.publish(events(333))
    at: dict[int, int] = {}
    for batch in bus.read({}, max_records=100):
        assert batch.start == at.get(batch.partition, 0)
        assert batch.end == batch.start + len(batch.records)
        assert len(batch.records) <= 100
        assert batch.partition in bus.partitions()
        at[batch.partition] = batch.end
    assert sum(at.values()) == 1_333


def test_reading_goes_on_where_it_ended(bus: EventBus) -> None:
    bus.publish(events(500))
    offsets = {batch.partition: batch.end for batch in bus.read({}, max_records=100)}
    assert read_all(bus, offsets) == []
    bus.publish([("home 1", b"later")])
    assert read_all(bus, offsets) == [b"later"]


def test_any_bytes_are_carried(bus: EventBus) -> None:
    odd = [b"\n\0\xff", b"{}\r\n", "🏠".encode(), b"x" * 500_000]
    bus.publish([("home", each) for each in odd])
    assert read_all(bus) == odd


def test_writers_at_once_lose_nothing(bus: EventBus, tmp_path: Path) -> None:
    others = (
        [LocalBus(tmp_path / "bus") for _ in range(3)] if isinstance(bus, LocalBus) else [bus] * 3
    )
    threads = [
        threading.Thread(target=lambda b=b, i=i: [b.publish(events(50, f"w{i}")) for _ in range(5)])
        for i, b in enumerate(others)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_all(bus)) == 750


def test_what_was_acknowledged_before_a_read_is_in_it(bus: EventBus) -> None:
    acknowledged, stop = [0], threading.Event()

    def write() -> None:
        while not stop.is_set():
            acknowledged[0] += bus.publish(events(20))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(8):
            before = acknowledged[0]
            assert len(read_all(bus)) >= before
    finally:
        stop.set()
        writer.join()
    assert len(read_all(bus)) == acknowledged[0]


def only_segment(folder: Path) -> Path:
    (path,) = folder.glob("*.log")
    return path


@pytest.mark.parametrize(
    "tail", [b"HKI1", b"\0" * 100, b"HKI1\x05\0\0\0\xff\0\0\0abcd\x10\0\0\0torn"]
)
def test_a_torn_tail_is_not_read_and_is_cut_by_the_next_write(tail: bytes, tmp_path: Path) -> None:
    LocalBus(tmp_path).publish([("h", b"1"), ("h", b"2")])
    with only_segment(tmp_path).open("ab") as file:
        file.write(tail)
    assert read_all(LocalBus(tmp_path)) == [b"1", b"2"]
    LocalBus(tmp_path).publish([("h", b"3")])
    assert read_all(LocalBus(tmp_path)) == [b"1", b"2", b"3"]


def test_every_cut_of_the_last_write_keeps_what_came_before(tmp_path: Path) -> None:
    bus = LocalBus(tmp_path)
    bus.publish([("h", b"kept")])
    before = only_segment(tmp_path).stat().st_size
    bus.publish([("h", b"torn")])
    whole = only_segment(tmp_path).read_bytes()
    for size in range(before, len(whole)):
        only_segment(tmp_path).write_bytes(whole[:size])
        LocalBus(tmp_path).publish([("h", b"next")])
        assert read_all(LocalBus(tmp_path)) == [b"kept", b"next"]


def test_damage_before_sound_records_is_loud(tmp_path: Path) -> None:
    bus = LocalBus(tmp_path)
    bus.publish([("h", b"first" * 10)])
    bus.publish([("h", b"second")])
    whole = bytearray(only_segment(tmp_path).read_bytes())
    whole[25] ^= 0xFF
    only_segment(tmp_path).write_bytes(whole)
    with pytest.raises(Unavailable, match="damage"):
        LocalBus(tmp_path).publish([("h", b"third")])


def test_segments_roll_and_offsets_run_on(tmp_path: Path) -> None:
    bus = LocalBus(tmp_path, segment_bytes=100)
    for i in range(20):
        bus.publish([("h", f"record number {i}".encode())])
    assert len(list(tmp_path.glob("*.log"))) > 3
    assert read_all(bus, {0: 15}) == [f"record number {i}".encode() for i in range(15, 20)]


def test_a_segment_that_vanished_is_loud(tmp_path: Path) -> None:
    bus = LocalBus(tmp_path, segment_bytes=1)
    for i in range(3):
        bus.publish([("h", str(i).encode())])
    sorted(tmp_path.glob("*.log"))[1].unlink()
    with pytest.raises(Unavailable, match="expected records up to"):
        read_all(bus)


@pytest.mark.server
def test_a_broker_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    bus_kafka = pytest.importorskip("hki_ml.adapters.bus_kafka")
    monkeypatch.setattr(bus_kafka, "ANSWER_SECONDS", 0.5)
    with pytest.raises(Unavailable, match="Kafka at"):
        bus_kafka.KafkaBus("127.0.0.1:1", "t").publish([("h", b"1")])
