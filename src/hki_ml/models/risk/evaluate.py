"""The backtest: contracts signed after a cut-off, beside a boosted rival and the base rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData
from hki_ml.learning.judged import judged
from hki_ml.metrics.calibration import debiased_ece, slope
from hki_ml.metrics.classification import auc, base_rate, brier, log_loss, row_log_loss
from hki_ml.metrics.clusters import clustered
from hki_ml.metrics.table import Figure, Row, Table
from hki_ml.models.risk.answer import BANDS, Others
from hki_ml.models.risk.boosted import boosted
from hki_ml.models.risk.labels import CONTRACT_DAYS, Labelled, split
from hki_ml.models.risk.predict import RiskAssessor
from hki_ml.models.risk.train import train

FloatArray = NDArray[np.float64]
FEWEST_TESTED = 30
MOST_BANDED = 2_000
DRAWS = 200
LEGEND = "lost: fell through after the contract. In brackets the 95 % interval over leads."


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """The result; ``str`` prints it, `as_json` keeps it."""

    tables: tuple[Table, ...]
    seconds: float
    model: RiskAssessor
    losses: pd.DataFrame
    legend: str = LEGEND

    def __str__(self) -> str:
        """Return all tables as text."""
        return "\n\n".join([*map(str, self.tables), self.legend, f"{self.seconds:.0f} s"])

    def as_json(self) -> dict[str, object]:
        """Return every figure with its n and 95 % interval."""
        return {t.title: t.as_json() for t in self.tables} | {"seconds": self.seconds}

    def figures(self) -> dict[str, float]:
        """Return the headline: the first line of the first table."""
        first = self.tables[0].rows[0]
        return {name: figure.value for name, figure in first.figures.items()}


def backtest(
    rows: pd.DataFrame, *, cutoff: pd.Timestamp, until: pd.Timestamp | None, seed: int, threads: int
) -> Backtest:
    """Train on what was known before ``cutoff`` and judge on contracts signed in ``[cutoff, until)``.

    Raises
    ------
    NotEnoughData
        If too few contracts were lost before, or fewer than 30 ended after.
    """
    begun = time.perf_counter()
    teach, test = split(rows, cutoff=cutoff, until=until)
    if len(test.lost) < FEWEST_TESTED or not 0 < test.lost.sum() < len(test.lost):
        raise NotEnoughData(
            f"expected {FEWEST_TESTED} contracts of both ends from {cutoff:%Y-%m-%d}, "
            f"got {len(test.lost)} with {int(test.lost.sum())} lost"
        )
    model = train(teach, as_of=cutoff, seed=seed)
    said = {
        "ours": model.probabilities(test.rows),
        "boosted trees": boosted(teach, test.rows, seed=seed, threads=threads),
        "base rate": np.full(len(test.lost), teach.lost.mean()),
    }
    tables = (
        rivals("contracts", test, said, seed=seed),
        _by_day(test, said["ours"], seed),
        _by_band(model, test, said["ours"], seed),
    )
    losses = losses_of(test, said["ours"])
    return Backtest(tables, time.perf_counter() - begun, model, losses)


def losses_of(test: Labelled, said: FloatArray) -> pd.DataFrame:
    """Return what each row was judged on; rows of one lead belong together."""
    rows = test.rows
    days = rows[CONTRACT_DAYS] if CONTRACT_DAYS in rows else [0.0] * len(rows)
    moments = rows["event_timestamp" if "event_timestamp" in rows else "created_at"]
    return judged(
        example_id=[f"{lead}@{day:g}" for lead, day in zip(rows["lead_id"], days, strict=True)],
        happened_at=moments,
        entity=rows["lead_id"],
        segment=rows.get("lead_source"),
        outcome=test.lost,
        probability=said,
        loss=row_log_loss(test.lost, said),
    )


def rivals(title: str, test: Labelled, said: dict[str, FloatArray], *, seed: int) -> Table:
    """Return a line a rival: AUC, errors, calibration."""
    leads = test.rows["lead_id"].to_numpy()
    return Table(title, [line(name, test.lost, p, leads, seed) for name, p in said.items()])


def line(
    name: str, lost: FloatArray, said: FloatArray, leads: NDArray[np.object_], seed: int
) -> Row:  # fmt: skip
    """Return one line with its intervals over leads."""
    measures: dict[str, Callable[[FloatArray], float]] = {
        "AUC": lambda w: auc(lost, said, w),
        "ECE_debiased": lambda w: debiased_ece(lost, said, w),
        "log_loss": lambda w: log_loss(lost, said, w),
        "Brier": lambda w: brier(lost, said, w),
        "error_at_half": lambda w: float(np.average((said >= 0.5) != (lost > 0), weights=w)),
        "base": lambda w: base_rate(lost, w),
    }
    if np.ptp(said) > 0:
        measures["slope"] = lambda w: slope(lost, said, w)
    figures = {k: clustered(m, leads, seed=seed, draws=DRAWS) for k, m in measures.items()}
    return Row(name, len(lost), figures)


def _by_day(test: Labelled, said: FloatArray, seed: int) -> Table:
    day = test.rows[CONTRACT_DAYS].to_numpy()
    leads = test.rows["lead_id"].to_numpy()
    rows = []
    for d in sorted(set(day)):
        at = day == d
        if at.sum() >= FEWEST_TESTED and 0 < test.lost[at].sum() < at.sum():
            rows.append(line(f"day {d:g}", test.lost[at], said[at], leads[at], seed))
    return Table("ours, by days after the contract", rows)


def _by_band(model: RiskAssessor, test: Labelled, said: FloatArray, seed: int) -> Table:
    """Compare what each band says with what came, by what the states say of value and price."""
    chosen = np.random.default_rng(seed).permutation(len(said))[:MOST_BANDED]
    band = []
    for at in chosen.tolist():
        row = test.rows.iloc[at]
        band.append(model.answer(row.to_dict(), Others(), as_of=row["event_timestamp"]).band)
    named = np.array(band)
    leads = test.rows["lead_id"].to_numpy()[chosen]
    rows = []
    for name in BANDS:
        here = named == name
        if here.sum() < 2:
            continue
        lost, of_lead = test.lost[chosen][here], leads[here]
        seen = clustered(lambda w, y=lost: base_rate(y, w), of_lead, seed=seed, draws=DRAWS)  # type: ignore[misc]
        rows.append(
            Row(
                name,
                int(here.sum()),
                {"said": Figure(float(said[chosen][here].mean())), "lost": seen},
            )
        )
    return Table("bands", rows)
