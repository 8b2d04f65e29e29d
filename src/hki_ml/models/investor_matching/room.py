"""The investor matching room's answers to the verbs of the path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from hki_ml.models.investor_matching import artifact
from hki_ml.models.investor_matching.awards import backtest as run_awards
from hki_ml.models.investor_matching.evaluate import (
    Backtest,
    judged_rows,
    losses_of,
    table_of,
)
from hki_ml.models.investor_matching.evaluate import backtest as run_backtest
from hki_ml.models.investor_matching.features import NAMES
from hki_ml.models.investor_matching.table import offers_of
from hki_ml.models.investor_matching.train import Matcher, train
from hki_ml.models.model import Speaker, Target, Trial

NAME = "investor_matching"
SERVICE = NAME
TABLES = ("deals", "deal_offers", "investor_state")
_OURS = ("side by side", "ours")
TARGETS = (
    Target("P@5", (*_OURS, "P@5"), "design", low=0.6),
    Target("MRR", (*_OURS, "MRR"), "design", low=0.7),
    Target("debiased calibration error", ("calibration", "ours", "dECE"), "ours", high=0.05),
)

TRIAL_SHARE = 0.25  # of the deals, the latest
HIGHEST_CALIBRATION_ERROR = 0.05
LOWEST_OVER_POPULARITY = -0.01  # of NDCG@5


def spine(tables: Mapping[str, pa.Table]) -> pd.DataFrame:
    """Return one row a deal and investor it was shown to, with the deal's facts and what came of it."""
    offers = tables["deal_offers"].to_pandas()
    deals = tables["deals"].drop_columns(["shown_at", "known_at"]).to_pandas()
    rows = offers.merge(deals, on="deal_id", how="left", validate="many_to_one")
    first = tables["investor_state"].to_pandas()[["investor_id", "event_timestamp"]]
    first = first.groupby("investor_id", as_index=False)["event_timestamp"].min()
    rows = rows.assign(event_timestamp=rows["shown_known_at"])
    known = rows.merge(first.rename(columns={"event_timestamp": "first_known"}), on="investor_id")
    known = known[known["first_known"] <= known["event_timestamp"]].drop(columns="first_known")
    ordered: pd.DataFrame = known.sort_values(["event_timestamp", "deal_id", "investor_id"])
    return ordered.reset_index(drop=True)


def fit(
    frame: pd.DataFrame, *, as_of: datetime, seed: int, threads: int, trial: Trial | None = None
) -> Matcher:
    """Return a matcher trained on what was known at ``as_of``."""
    del trial
    return train(frame, as_of=pd.Timestamp(as_of), seed=seed, threads=threads)


def backtest(
    frame: pd.DataFrame, *, cutoff: datetime, until: datetime | None, seed: int, threads: int
) -> Backtest:
    """Train on what was known before ``cutoff`` and judge on the deals of ``[cutoff, until)``.

    Where a frame only says who took each deal, everybody who took enough of late is a candidate.
    """
    end = None if until is None else pd.Timestamp(until)
    start = pd.Timestamp(cutoff)
    judge = run_backtest if "shown_known_at" in frame else run_awards
    return judge(frame, cutoff=start, until=end, seed=seed, threads=threads)


def default_cutoff(frame: pd.DataFrame) -> datetime:
    """Return when the latest quarter of the deals began to be shown."""
    first = frame.groupby("deal_id")["event_timestamp"].min().sort_values()
    cutoff: datetime = pd.Timestamp(first.iloc[int(len(first) * (1 - TRIAL_SHARE))]).to_pydatetime()
    return cutoff


def trial(frame: pd.DataFrame, *, seed: int, threads: int) -> Trial:
    """Train before the latest quarter of the deals and judge on it, as known at each moment."""
    cutoff = default_cutoff(frame)
    found = backtest(frame, cutoff=cutoff, until=None, seed=seed, threads=threads)
    ours = found.tables[0].rows[0].figures | found.tables[1].rows[0].figures
    return Trial(
        cutoff=cutoff,
        until=frame["event_timestamp"].max().to_pydatetime(),
        figures={_plain(name): figure.value for name, figure in ours.items()},
        report=found.as_json(),
        losses=losses_of(found.predictions),
        judged=found.matcher,
    )


def losses(folder: Path, frame: pd.DataFrame, *, since: datetime) -> pd.DataFrame:
    """Return the log loss of a saved matcher on each matured offer from ``since`` on."""
    matcher = artifact.load(folder)
    what, rows = judged_rows(frame, cutoff=pd.Timestamp(since), until=None)
    margin = matcher.margin(table_of(matcher, what, rows))
    said = what.rows.iloc[rows][["deal_id", "investor_id", "event_timestamp"]].reset_index(
        drop=True
    )
    positive = what.found.positive[rows]
    return losses_of(said.assign(positive=positive, probability=1 / (1 + np.exp(-margin))))


def speaker(folder: Path) -> Speaker:
    """Return the log-odds of a positive answer that a saved matcher gives offers."""
    matcher = artifact.load(folder)

    def table(frame: pd.DataFrame) -> pd.DataFrame:
        what = offers_of(frame, known_until=frame["event_timestamp"].max())
        seen = table_of(matcher, what, np.arange(len(what.rows)))
        return pd.DataFrame(seen, columns=list(NAMES))

    return Speaker(NAMES, table, lambda seen: matcher.margin(seen.to_numpy(np.float64)))


def save(fitted: Matcher, folder: Path, *, notes: Mapping[str, object]) -> None:
    """Write the matcher with its manifest and the notes on where it comes from."""
    artifact.save(fitted, folder)
    (folder / "notes.json").write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n")


def problems(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why a trial forbids promotion: no better than popularity, or odds that do not come true."""
    found = []
    ours = report["side by side"]["ours"]["NDCG@5"]["value"]
    popular = report["side by side"]["popularity"]["NDCG@5"]["value"]
    if not ours >= popular + LOWEST_OVER_POPULARITY:
        found.append(f"NDCG@5: expected at least popularity's {popular:.4f}, got {ours:.4f}")
    error = report["calibration"]["ours"]["dECE"]
    if not error.get("low", error["value"]) <= HIGHEST_CALIBRATION_ERROR:
        found.append(
            f"debiased calibration error: expected at most {HIGHEST_CALIBRATION_ERROR} on later "
            f"deals, got {error['value']:.4f}"
        )
    return tuple(found)


def _plain(name: str) -> str:
    return name.lower().replace("@", "_at_").replace(" ", "_").replace("-", "_")
