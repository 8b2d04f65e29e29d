"""What an answer of a saved model costs, turn by turn with another's: the machine's noise is both's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hki_ml.errors import ArtifactRefused
from hki_ml.models.model import Model, Speaker

ROWS = 512
ROUNDS = 5


def answer_costs(rooms: Model, folders: Sequence[Path], frame: pd.DataFrame) -> list[float] | None:
    """Return the CPU that each model takes a row, in microseconds: the least of five turns of each.

    ``None`` where this code cannot load one of them any more.

    Parameters
    ----------
    frame
        The room's examples, of which the latest are asked for.
    """
    try:
        speakers = [rooms.speaker(folder) for folder in folders]
    except ArtifactRefused:
        return None
    asked = frame.tail(ROWS).reset_index(drop=True)
    turns = [[_seconds(speaker, asked) for speaker in speakers] for _ in range(ROUNDS)]
    return [1e6 * min(each) / len(asked) for each in zip(*turns, strict=True)]


def _seconds(speaker: Speaker, asked: pd.DataFrame) -> float:
    begun = time.process_time()
    speaker.margin(speaker.table(asked))
    return time.process_time() - begun
