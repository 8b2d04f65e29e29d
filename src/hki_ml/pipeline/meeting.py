"""Where a candidate meets the champion: on examples that came after either had learned.

A trial stops learning a quarter of all examples ago, which is often before the champion stopped: beside
it the champion knows more of the present, and where the world moves a good candidate looks worse. So the
candidate learns once more, up to the middle of what came since the champion learned, and both are judged
on the other half: what more knowledge is worth is what a retraining is about.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from hki_ml.errors import ArtifactRefused
from hki_ml.models.model import Model
from hki_ml.pipeline.gates import too_few

if TYPE_CHECKING:
    import pandas as pd

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Meeting:
    """Up to when the candidate learned for it, and its losses (`hki_ml.learning.judged`) from then on."""

    cutoff: datetime
    losses: pd.DataFrame


def since_learned(
    rooms: Model, folder: Path, frame: pd.DataFrame, *, learned: datetime
) -> pd.DataFrame | None:
    """Return the losses of a champion in ``folder`` on what came since it learned, if there are any.

    A champion that this code cannot load any more has none: what it did in its trial is all there is.
    """
    if not (frame["event_timestamp"] >= learned).any():
        return None
    try:
        return rooms.losses(folder, frame, since=learned)
    except ArtifactRefused as error:
        log.warning("champion_not_loaded", model=rooms.NAME, error=str(error))
        return None


def meet(
    rooms: Model, frame: pd.DataFrame, later: pd.DataFrame, *, seed: int, threads: int
) -> Meeting | None:
    """Return how a candidate does on the later half of ``later``, having learned up to its middle.

    Parameters
    ----------
    frame
        All examples that are known now.
    later
        The champion's losses on what came since it learned, see `since_learned`.

    Returns
    -------
    Meeting or None
        ``None`` if there is too little to compare two models by.
    """
    if too_few(later):
        return None
    moments = later["happened_at"].sort_values()
    cutoff: datetime = moments.iloc[len(moments) // 2].to_pydatetime()
    if too_few(later[later["happened_at"] >= cutoff]):
        return None
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "model"
        fitted = rooms.fit(frame, as_of=cutoff, seed=seed, threads=threads)
        rooms.save(fitted, folder, notes={})
        return Meeting(cutoff, rooms.losses(folder, frame, since=cutoff))
