"""The card of a version: limits first, every cell filled, what was not reached told as missed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pandas as pd
import pytest

from hki_ml.catalog import ROOMS, room
from hki_ml.errors import CardIncomplete
from hki_ml.models.model import Target, Trial
from hki_ml.pipeline import card as cards
from hki_ml.pipeline.card import NOT_MEASURED, card

REPORT = {
    "overall": {
        "all": {"n": 120, "AUC": {"value": 0.81, "low": 0.7, "high": 0.9}, "lift": {"value": 3.0}},
        "day 14": {"n": 20, "AUC": {"value": float("nan")}},
        "day 3": {"n": 30, "AUC": {"value": 0.5}},
    },
    "odd": [{"cause": "closed", "p": None}, {"cause": "a|b"}],
    "nothing": [],
    "note": {"seed": 0, "tried": [], "kept": ""},
    "train_seconds": 12.3456,
}
TRIAL = Trial(
    datetime(2016, 1, 1, tzinfo=UTC),
    datetime(2016, 6, 1, tzinfo=UTC),
    {},
    REPORT,
    pd.DataFrame({"loss": [0.1, 0.2]}),
)


def written(trial=TRIAL, targets=(), name="lead_scoring"):
    told = SimpleNamespace(NAME=name, TARGETS=targets)
    return card(told, trial, {"code": "0.1.0+abc", "seed": 0}, ["simulated-market"])


def cells(text: str) -> list[str]:
    rows = [line for line in text.splitlines() if line.startswith("|")]
    heads = {at - 1 for at, row in enumerate(rows) if set(row) <= set("|- ")}
    rows = [row for at, row in enumerate(rows) if at not in heads and not set(row) <= set("|- ")]
    return [cell.strip() for row in rows for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


def test_no_cell_is_empty_and_none_holds_nan_or_none():
    found = cells(written(targets=(Target("AUC", ("overall", "all", "AUC"), "design", low=0.85),)))
    assert len(found) > 30
    assert [cell for cell in found if cell in {"", "nan", "None", "inf"}] == []
    assert NOT_MEASURED in found


def test_limits_come_before_any_figure():
    text = written()
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "Limits"
    assert headings[-1] == "Figures"
    assert text.index("## Limits") < text.index("|")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.8, float("inf"), "met"), (0.85, float("inf"), "**missed**"), (0.0, 0.5, "**missed**")],
)
def test_a_target_is_met_or_missed_by_the_figure_itself(low, high, verdict):
    line = next(
        line
        for line in written(
            targets=(Target("ours", ("overall", "all", "AUC"), "ours", low=low, high=high),)
        ).splitlines()
        if line.startswith("| ours |")
    )
    assert line.endswith(f"| {verdict} |")
    assert "0.81 [0.7, 0.9]" in line


def test_a_target_without_a_figure_is_not_measured():
    targets = (Target("ghost", ("overall", "nobody", "AUC"), "design", low=0.1),)
    assert f"| ghost | at least 0.1 | design | {NOT_MEASURED} | {NOT_MEASURED} |" in written(
        targets=targets
    )


def test_lines_stand_in_the_order_of_their_numbers():
    text = written()
    assert text.index("day 3") < text.index("day 14")


def test_a_text_without_limits_is_refused(monkeypatch):
    monkeypatch.setattr(cards, "_said", lambda _: "# Praise\n\n## Figures\n\nAll fine.")
    with pytest.raises(CardIncomplete, match="limits"):
        written()


@pytest.mark.parametrize("name", ROOMS)
def test_every_room_says_its_limits_first_and_what_was_asked_of_it(name):
    text = written(name=name)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "Limits", "Asked and reached", "The run", "What it answers", "How", "Data", "Fairness", "Figures",
    ]  # fmt: skip
    assert room(name).TARGETS
