from __future__ import annotations

import asyncio

import pytest

from hki_ml.serving.batcher import TickBatcher


def test_what_arrives_in_one_tick_is_one_batch_in_order():
    batches = []

    def double(questions):
        batches.append(list(questions))
        return [2 * q for q in questions]

    async def ask():
        batcher = TickBatcher(double, part=100)
        first = await asyncio.gather(*(batcher.submit(i) for i in range(5)))
        return first, await batcher.submit(9)

    assert asyncio.run(ask()) == ([0, 2, 4, 6, 8], 18)
    assert batches == [[0, 1, 2, 3, 4], [9]]


def test_a_large_batch_lets_the_loop_in_between():
    order = []

    def answer(questions):
        order.append(f"part of {len(questions)}")
        return questions

    async def ask():
        batcher = TickBatcher(answer, part=4)
        futures = [batcher.submit(i) for i in range(8)]
        asyncio.get_running_loop().call_soon(order.append, "other")
        return await asyncio.gather(*futures)

    assert asyncio.run(ask()) == list(range(8))
    assert order == ["part of 4", "other", "part of 4"]


def test_a_failure_reaches_everyone_who_waits():
    def fail(questions):
        raise ZeroDivisionError

    async def ask():
        batcher = TickBatcher(fail)
        return await asyncio.gather(batcher.submit(1), batcher.submit(2), return_exceptions=True)

    assert [type(e) for e in asyncio.run(ask())] == [ZeroDivisionError] * 2


def test_who_gave_up_is_left_out():
    seen = []

    async def ask():
        batcher = TickBatcher(lambda questions: [seen.append(q) or q for q in questions])
        gone, kept = batcher.submit("gone"), batcher.submit("kept")
        gone.cancel()
        assert await kept == "kept"
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(ask())
    assert seen == ["kept"]
