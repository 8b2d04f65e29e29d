from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from hki_ml.learning.contracts import contract_moments, fall_through
from hki_ml.simulation import path
from hki_ml.simulation.chance import children, seed_key
from hki_ml.simulation.leads import leads as leads_of
from hki_ml.simulation.market import blocks, events_table
from hki_ml.simulation.title import LIEN_KINDS, MOST_LIENS
from hki_ml.simulation.truth import truth
from hki_ml.transforms.leads import leads
from tests.unit.simulation.town import END, town, world

LEADS = 6_000


@pytest.fixture(scope="module")
def judged() -> pd.DataFrame:
    table = events_table(world(LEADS), town())
    rows = contract_moments(leads(table), known_until=pd.Timestamp(END))
    label = fall_through(rows)
    rows = rows.assign(lost=label.lost)[label.matured]
    true = truth(world(LEADS), town(), paths=96).contracts.to_pandas()
    return rows.merge(true, on=["lead_id", "contract_days"], validate="one_to_one")


def _histories(trouble: float, title: float) -> list[list[tuple[int, float]]]:
    came = leads_of(world(1_500), town(), first_day=16_000, last_day=16_400)
    keys = children(seed_key(0, 3), came.number)
    start, kind, at, *_ = path.histories(
        keys, came.logit, came.trouble + trouble, np.clip(came.title + title, 0, 1), came.arm,
        np.array(path.LANDMARKS), np.array(path.CONTRACT_DAYS),
    )  # fmt: skip
    told = zip(kind.tolist(), at.tolist(), strict=True)
    every = list(told)
    return [every[a:b] for a, b in pairwise(start)]


def test_what_comes_before_the_contract_hangs_on_nothing_that_troubles_contracts() -> None:
    def until_contract(told: list[tuple[int, float]]) -> list[tuple[int, float]]:
        signed = [at for at, (kind, _) in enumerate(told) if kind == path.CONTRACT]
        return told[: signed[0] + 1] if signed else told

    calm, troubled = _histories(-3.0, -1.0), _histories(3.0, 1.0)
    assert calm != troubled
    assert [until_contract(t) for t in calm] == [until_contract(t) for t in troubled]


def test_liens_are_found_two_to_six_days_after_the_contract_and_only_then() -> None:
    for told in _histories(0.0, 0.5):
        signed = [at for kind, at in told if kind == path.CONTRACT]
        found = [at for kind, at in told if kind == path.LIEN]
        assert len(found) <= MOST_LIENS
        assert not found or signed
        assert all(2 <= int(at) - int(signed[0]) <= 6 for at in found)


def test_a_sixth_or_so_of_contracts_fall_through_and_causes_tell_which(
    judged: pd.DataFrame,
) -> None:
    first = judged[judged["contract_days"] == 0]
    assert 0.14 < first["lost"].mean() < 0.22
    assert 0.79 < roc_auc_score(judged["lost"], judged["p_fall_through"]) < 0.86


def test_what_is_said_to_fall_through_does(judged: pd.DataFrame) -> None:
    for _, rows in judged.groupby("contract_days"):
        for _, group in rows.groupby(pd.qcut(rows["p_fall_through"], 5, labels=False)):
            p = group["p_fall_through"]
            spread = np.sqrt((p * (1 - p)).sum() * (1 + 1 / 96) + 1.0)
            assert abs(group["lost"].sum() - p.sum()) / spread < 4.0


def test_a_lien_is_an_event_of_the_home_and_names_the_lead_that_it_was_found_for() -> None:
    rows = pl.DataFrame(pl.from_arrow(events_table(world(1_500), town())))
    found = rows.filter(pl.col("event_type") == "lien.recorded")
    assert found.height > 20
    assert found["event_id"].n_unique() == found.height
    assert set(found["entity_id"]) <= set(town().ids.tolist())
    said = found["properties_json"].str.json_decode(
        pl.Struct({"kind": pl.String, "amountUsd": pl.Float64, "leadId": pl.String})
    )
    assert set(said.struct.field("kind")) <= set(LIEN_KINDS)
    assert (said.struct.field("amountUsd") > 0).all()
    created = rows.filter(pl.col("event_type") == "lead.created")
    assert set(said.struct.field("leadId")) <= set(created["entity_id"])


def test_a_block_keeps_what_was_known_at_the_contract() -> None:
    what = next(iter(blocks(replace(world(1_500)), town())))
    signed = what.signed[:, 0]
    has = ~np.isnan(signed[:, 0])
    assert (signed[has, path.STAGE] == 4.0).all()
    assert (signed[has, path.LIENS] == 0.0).all()
