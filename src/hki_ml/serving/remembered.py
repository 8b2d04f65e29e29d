"""Answers that were given before: the same model asked the same thing says the same, so it need not think.

What is kept is the answer's JSON, so that a hit is a fresh copy and the garbage collector has nothing to
walk through. Another model starts with nothing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import orjson

from hki_ml.serving.exchange import encode


class RememberedAnswers:
    """The last ``keep`` answers of one model, by what was asked; safe to use from several threads.

    Parameters
    ----------
    keep
        How many answers, about 10 kB each; 0 remembers nothing.
    """

    def __init__(self, keep: int = 2048) -> None:
        self._keep = keep
        self._owner: object = None
        self._answers: OrderedDict[Hashable, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def holds(self, owner: object, asked: Hashable) -> bool:
        """Tell whether the owner has answered this before."""
        with self._lock:
            return owner is self._owner and asked in self._answers

    def recall(self, owner: object, asked: Hashable) -> dict[str, Any] | None:
        """Return what the owner answered to this, ``None`` if it was never asked or is forgotten."""
        with self._lock:
            if owner is not self._owner or asked not in self._answers:
                return None
            self._answers.move_to_end(asked)
            kept = self._answers[asked]
        answer: dict[str, Any] = orjson.loads(kept)
        return answer

    def keep(self, owner: object, asked: Hashable, answer: dict[str, Any]) -> None:
        """Remember an answer; a new owner's first one makes those of the former forgotten."""
        if not self._keep:
            return
        content = encode(answer)
        with self._lock:
            if owner is not self._owner:
                self._owner = owner
                self._answers.clear()
            self._answers[asked] = content
            self._answers.move_to_end(asked)
            while len(self._answers) > self._keep:
                self._answers.popitem(last=False)
