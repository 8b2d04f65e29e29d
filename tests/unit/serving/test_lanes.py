from __future__ import annotations

import asyncio
import threading

from hki_ml.serving.lanes import TwoLanes


def test_a_slow_question_does_not_keep_a_quick_one_waiting():
    release = threading.Event()

    def answer(questions):
        if questions == ["slow"]:
            assert release.wait(10)
        return [question.upper() for question in questions]

    async def ask():
        lanes = TwoLanes(answer, lambda question: question == "slow")
        slow = asyncio.create_task(lanes.ask("slow"))
        await asyncio.sleep(0)
        quick = await asyncio.wait_for(lanes.ask("quick"), 5)
        waiting = not slow.done()
        release.set()
        lanes_said = await slow
        lanes.close()
        return quick, waiting, lanes_said

    assert asyncio.run(ask()) == ("QUICK", True, "SLOW")


def test_slow_questions_are_answered_by_one_thread_only():
    threads = set()

    def answer(questions):
        threads.add(threading.get_ident())
        return questions

    async def ask():
        lanes = TwoLanes(answer, lambda _: True)
        answers = await asyncio.gather(*(lanes.ask(i) for i in range(8)))
        lanes.close()
        return answers

    assert asyncio.run(ask()) == list(range(8))
    assert len(threads) == 1
    assert threading.get_ident() not in threads
