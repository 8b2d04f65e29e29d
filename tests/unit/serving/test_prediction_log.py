"""Every answer is durable before it is given, whoever hangs up and whatever fails meanwhile."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from hki_ml.errors import Unavailable
from hki_ml.serving.prediction_log import PredictionLog, Said

NOW = datetime(2016, 6, 1, tzinfo=UTC)
SAID = Said("a lead", "lead_scoring", {"lead_scoring": "3"}, NOW, {"x": None}, {"score": 1})


def identity(number: int) -> str:
    return f"01990000-0000-7000-8000-{number:012d}"


def test_a_failed_write_is_told_and_the_next_one_goes_through():
    failing = [True]

    def publish(pairs):
        if failing[0]:
            raise Unavailable("no disk")
        return len(pairs)

    async def run():
        log = PredictionLog(publish)
        with pytest.raises(Unavailable):
            await log.write(identity(1), SAID)
        assert log.recent(identity(1)) is None
        failing[0] = False
        await log.write(identity(2), SAID)
        assert log.recent(identity(2)) is not None

    asyncio.run(run())


@pytest.mark.parametrize("fails", [False, True])
def test_who_hangs_up_while_the_disk_writes_stops_nobody_else(fails):
    may_write = threading.Event()
    written = []

    def publish(pairs):
        may_write.wait(5)
        if fails and not written:
            written.append(())
            raise Unavailable("no disk")
        written.append(tuple(pairs))
        return len(pairs)

    async def run():
        log = PredictionLog(publish)
        gone = asyncio.ensure_future(log.write(identity(1), SAID))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0)
        may_write.set()
        await asyncio.sleep(0.05)
        await asyncio.wait_for(log.write(identity(2), SAID), 2)
        assert log.recent(identity(2)) is not None

    asyncio.run(run())
    assert len(written) == 2


def test_many_that_wait_share_one_write():
    groups = []

    async def run():
        log = PredictionLog(lambda pairs: groups.append(len(pairs)) or len(pairs))
        await asyncio.gather(*(log.write(identity(i), SAID) for i in range(50)))

    asyncio.run(run())
    assert sum(groups) == 50
    assert len(groups) <= 3
