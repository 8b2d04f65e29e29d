from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from hki_ml.learning.lead_labels import closing_within, ends, landmarks
from hki_ml.simulation.market import events_table
from hki_ml.simulation.truth import CURVE_DAYS, HORIZONS, Truth, truth
from hki_ml.transforms.leads import leads
from tests.unit.simulation.town import END, town, world

PATHS = 64
LEADS = 5_000


@pytest.fixture(scope="module")
def known() -> Truth:
    return truth(world(LEADS), town(), paths=PATHS)


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(events_table(world(LEADS), town())))


@pytest.fixture(scope="module")
def judged(known: Truth, table: pl.DataFrame) -> pd.DataFrame:
    rows = landmarks(leads(table.to_arrow()), known_until=pd.Timestamp(END))
    assert len(rows) == known.landmarks.height
    joined = rows.merge(
        known.landmarks.to_pandas().drop(columns="event_timestamp"),
        on=["lead_id", "landmark_days"],
        validate="one_to_one",
    )
    assert len(joined) == len(rows)
    of_leads = known.leads.select("lead_id", "logit").to_pandas()
    return joined.merge(of_leads, on="lead_id")


@pytest.mark.parametrize("days", HORIZONS)
def test_what_is_said_to_be_true_comes_true_in_every_decile(
    judged: pd.DataFrame, days: int
) -> None:
    label = closing_within(judged, days)
    rows = judged.assign(closed=label.closed)[label.matured]
    for _, of_day in rows.groupby("landmark_days"):
        # By the static log-odds, which no luck of a path is in.
        for _, group in of_day.groupby(pd.qcut(of_day["logit"], 10, labels=False)):
            p = group[f"p_close_{days}"]
            spread = np.sqrt((p * (1 - p)).sum() * (1 + 1 / PATHS) + 1.0)
            assert abs(group["closed"].sum() - p.sum()) / spread < 4.0


def test_the_best_forecast_is_as_good_as_a_real_one_can_be(
    judged: pd.DataFrame, table: pl.DataFrame
) -> None:
    label = closing_within(judged, 90)
    rows = judged.assign(closed=label.closed)[label.matured]
    assert 0.12 < rows["closed"].mean() < 0.16
    assert 0.87 < roc_auc_score(rows["closed"], rows["p_close_90"]) < 0.91
    best = rows.nlargest(len(rows) // 5, "p_close_90")
    assert 3.2 < best["closed"].mean() / rows["closed"].mean() < 3.8
    of_leads = table.filter(pl.col("event_type").str.starts_with("lead."))
    assert 12 < of_leads.height / of_leads["entity_id"].n_unique() < 20


def test_time_to_the_end_is_as_long_as_is_said(judged: pd.DataFrame) -> None:
    old = judged[judged["created_at"] < pd.Timestamp(END) - pd.Timedelta(days=420)]
    told = ends(old)
    assert (told.cause > 0).mean() > 0.99
    assert np.minimum(told.days, 365).mean() == pytest.approx(old["open_days"].mean(), rel=0.03)
    closed = told.cause == 1
    weight = old["cif_closed_365"]
    said = (old["expected_days"].fillna(0) * weight).sum() / weight.sum()
    assert told.days[closed].mean() == pytest.approx(said, rel=0.04)


def test_chances_only_grow_with_time_and_never_exceed_one(known: Truth) -> None:
    for cause in ("closed", "lost"):
        curve = known.landmarks.select(f"cif_{cause}_{days}" for days in CURVE_DAYS).to_numpy()
        assert (np.diff(curve, axis=1) >= 0).all()
    total = known.landmarks["cif_closed_365"] + known.landmarks["cif_lost_365"]
    assert total.max() <= 1.0 + 1e-12


def test_the_randomised_call_does_what_the_truth_says(known: Truth, judged: pd.DataFrame) -> None:
    label = closing_within(judged, 90)
    rows = judged.assign(closed=label.closed)[label.matured & (judged["landmark_days"] == 0)]
    rows = rows.merge(known.leads.to_pandas().drop(columns="logit"), on="lead_id")
    for arm in ("fast", "usual"):
        group = rows[rows["follow_up_arm"] == arm]
        p = group[f"p_close_90_{arm}"]
        spread = np.sqrt((p * (1 - p)).sum() * (1 + 1 / PATHS))
        assert abs(group["closed"].sum() - p.sum()) / spread < 3.5
    effect = (rows["p_close_90_fast"] - rows["p_close_90_usual"]).mean()
    assert 0.015 < effect < 0.045


def test_the_causes_order_the_sources(known: Truth) -> None:
    of_source = known.effects.filter(pl.col("what") == "lead_source").sort("log_odds")["level"]
    rate = known.leads.group_by("lead_source").agg(pl.col("p_close_90_usual").mean())
    ranked = rate.sort("p_close_90_usual")["lead_source"].to_list()
    assert ranked[0] == of_source[0] == "cold_call"
    assert ranked[-1] == of_source[-1] == "referral"


def test_what_is_written_can_be_read(known: Truth, tmp_path) -> None:
    known.write(tmp_path / "truth")
    names = sorted(path.stem for path in (tmp_path / "truth").iterdir())
    assert names == ["contracts", "effects", "landmarks", "leads", "responses", "tastes"]
    assert pl.read_parquet(tmp_path / "truth" / "landmarks.parquet").equals(known.landmarks)
