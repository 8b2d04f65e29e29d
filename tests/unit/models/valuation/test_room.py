"""What the room tells the path: losses, figures, and why a candidate may not be promoted."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hki_ml.models.valuation import room
from hki_ml.models.valuation.artifact import save
from hki_ml.models.valuation.train import train

from .conftest import CUTOFF, LIGHT, Office

GOOD: dict[str, Any] = {
    "side by side, as_known": {
        "ours": {"MdAPE": {"value": 8.0}},
        "LightGBM alone": {"MdAPE": {"value": 8.4}},
    },
    "overall, as_known": {"all": {"cover80": {"value": 79.0}, "cover95": {"value": 95.5}}},
}


def spoilt(*path: str, value: float) -> dict[str, Any]:
    report = copy.deepcopy(GOOD)
    inner = report
    for name in path:
        inner = inner[name]
    inner["value"] = value
    return report


def test_a_trial_that_is_as_good_as_it_should_be_has_no_problems() -> None:
    assert room.problems(GOOD) == ()


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("side by side, as_known", "ours", "MdAPE"), 8.7, "LightGBM alone"),
        (("overall, as_known", "all", "cover80"), 75.0, "coverage of the 80 %"),
        (("overall, as_known", "all", "cover80"), 85.0, "coverage of the 80 %"),
        (("overall, as_known", "all", "cover95"), 90.0, "coverage of the 95 %"),
    ],
)
def test_one_bad_figure_is_one_problem_that_names_it(
    path: tuple[str, ...], value: float, says: str
) -> None:
    (problem,) = room.problems(spoilt(*path, value=value))
    assert says in problem
    assert f"{value:.4g}" in problem.replace("%", "")


def test_losses_are_told_of_later_sales_alone_and_grow_with_the_error(
    office: Office, tmp_path: Path
) -> None:
    save(office.appraiser.valuer, tmp_path)
    frame = pd.concat([office.known, office.later], ignore_index=True)
    found = room.losses(tmp_path, frame, since=CUTOFF.to_pydatetime())
    assert set(found.example_id) == set(office.later.sale_id)
    assert found.happened_at.min() >= CUTOFF
    assert 0.03 < found.loss.median() < 0.15
    last = office.later.sale_id.iloc[-1]  # nobody can lean on it later
    twice = frame.assign(price_usd=frame.price_usd.where(frame.sale_id != last, 2e8))
    moved = room.losses(tmp_path, twice, since=CUTOFF.to_pydatetime())
    before, after = (f.set_index("example_id").loss for f in (found, moved))
    assert after[last] > before[last] + 2
    assert (after.drop(last) == before.drop(last)).all()
    held = found.set_index("example_id")[["held_80", "held_95"]]
    assert held.held_95[held.held_80].all()  # the wider holds what the narrower does
    assert 0.65 < held.held_80.mean() < held.held_95.mean() <= 1
    assert not moved.set_index("example_id").held_95[last]


def test_a_value_or_list_price_in_the_frame_never_enters_the_labels(
    office: Office, tmp_path: Path
) -> None:
    frame = pd.concat([office.known, office.later], ignore_index=True)
    said = office.appraiser.valuer.predict(frame, CUTOFF)
    own = frame.assign(
        value_usd=said.value_usd, estimated_value_usd=said.value_usd, list_price_usd=said.value_usd
    )
    save(office.appraiser.valuer, tmp_path / "a")
    save(train(own, as_of=CUTOFF, seed=1, effort=LIGHT), tmp_path / "b")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_the_spine_is_made_of_recorded_sales_alone() -> None:
    columns = {"property_id": ["p"], "sale_id": ["s"], "price_usd": [1.0], "is_arms_length": [True]}
    sales = pa.table({**columns, "sold_at": [CUTOFF], "estimated_value_usd": [9.0]})
    spine = room.spine({"sales": sales})
    assert "estimated_value_usd" not in spine
    assert spine.event_timestamp.iloc[0] == CUTOFF


def test_facts_in_json_become_columns_of_their_own_and_ids_do_not_change() -> None:
    frame = pd.DataFrame({
        "sale_id": ["a", "b"], "property_id": ["p", "q"], "price_usd": [1.0, 2.0],
        "sold_at": [CUTOFF, CUTOFF], "extra_json": [json.dumps({"pool": 1.0}), None],
        "note": ["x", "y"],
    })  # fmt: skip
    made = room.canonical(frame)
    assert made.extra_pool.iloc[0] == 1.0
    assert np.isnan(made.extra_pool.iloc[1])
    assert "note" not in made
    assert made.sale_id.tolist() == ["a", "b"]


def test_the_judged_period_is_half_a_year_but_no_less_than_a_twentieth_of_the_sales(
    office: Office,
) -> None:
    cutoff = room.default_cutoff(office.known)
    later = (office.known.sold_at >= cutoff).mean()
    assert 0.05 <= later <= 0.26
    assert office.known.sold_at.max() - pd.Timestamp(cutoff) <= pd.Timedelta(days=184)


def test_whoever_watches_it_hears_what_it_answers(office: Office, tmp_path: Path) -> None:
    save(office.appraiser.valuer, tmp_path)
    speaker = room.speaker(tmp_path)
    said = speaker.margin(speaker.table(office.later))
    told = office.appraiser.valuer.predict(office.later, office.later["sold_at"])
    assert not speaker.is_odds
    assert np.exp(said) == pytest.approx(told["value_usd"].to_numpy(), rel=1e-9)
