"""A score's change from one model version to the next: what was said, beside what would be said now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import orjson
import pytest

from hki_ml.adapters.lake import DeltaLake
from hki_ml.serving.lead_board import BASE_ODDS
from hki_ml.serving.lead_history import LeadHistory
from hki_ml.tables import EVENTS, LEADS

NOW = datetime(2026, 1, 10, tzinfo=UTC)
CREATED = NOW - timedelta(days=9)


class ByPrice:
    """A model whose log-odds rise by one a hundred thousand of the asking price."""

    def __init__(self, version: str, level: float) -> None:
        self.version, self.level = version, level

    def margin_of(self, frame):
        return self.level + frame["lead_asking_price_usd"].to_numpy(float) / 1e5


def score(margin: float) -> float:
    return 50 + 10 * (margin - np.log(BASE_ODDS)) / np.log(2)


def event(number: int, kind: str, at: datetime, **properties) -> dict:
    return {
        "event_id": f"e{number}", "event_type": kind, "schema_version": 1, "entity_id": "a",
        "occurred_at": at, "received_at": at, "source": "crm", "ingested_at": at,
        "properties_json": orjson.dumps(properties).decode(),
    }  # fmt: skip


def answer(number: int, version: str, days: int, said: float, price: float) -> dict:
    features = {
        "lead_asking_price_usd": price,
        "lead_created_at_us": int(CREATED.timestamp() * 1e6),
    }
    return event(
        number, "prediction.made", NOW - timedelta(days=days), model="lead_scoring",
        versions={"lead_scoring": version}, features=features, answer={"score": said},
    )  # fmt: skip


@pytest.fixture
def lake(tmp_path):
    import pyarrow as pa

    made = DeltaLake(tmp_path)
    created = event(0, "lead.created", CREATED, askingPriceUsd=2e5)
    earlier = [
        answer(1, "1", 8, 35.0, 1e5), answer(2, "2", 5, 40.0, 2e5), answer(3, "1", 3, 36.0, 2e5),
        answer(4, "1", 2, 90.0, 9e7),
    ]  # fmt: skip
    made.append("events", pa.Table.from_pylist([created, *earlier], schema=EVENTS))
    lead = {
        "lead_id": "a",
        "created_at": CREATED,
        "created_known_at": CREATED,
        "asking_price_usd": 2e5,
    }
    made.append("leads", pa.Table.from_pylist([lead], schema=LEADS))
    return made


def test_each_answer_of_another_version_is_beside_what_the_present_one_says_of_it(lake):
    now = ByPrice("2", -4.0)
    told = LeadHistory(lambda: lake, lambda _: now).of("a", (), NOW)
    assert [each["version"] for each in told.answered] == ["1", "1", "1"]
    says = [score(-4.0 + 1.0), score(-4.0 + 2.0), 100.0]  # no score is above 100
    for each, expected in zip(told.answered, says, strict=True):
        assert each["score"] + each["modelVersion"] == pytest.approx(expected, abs=1e-9)
    assert told.answered[1]["modelVersion"] == pytest.approx(says[1] - 36.0)


def test_without_another_version_nothing_is_the_models_change(lake):
    told = LeadHistory(lambda: lake, lambda _: ByPrice("1", -4.0)).of("a", (), NOW)
    assert [each["version"] for each in told.answered] == ["2"]
    assert [each["score"] for each in told.points] == [
        pytest.approx(score(-2.0)), pytest.approx(score(-2.0)),
    ]  # fmt: skip


def test_what_the_night_learned_of_home_and_source_is_a_step_of_its_own(lake):
    class ByRate:
        version = "1"

        def margin_of(self, frame):
            return frame["lead_close_rate_n"].to_numpy(float)

    import pyarrow as pa

    came = CREATED - timedelta(
        days=88
    )  # whether they closed within 90 days is known two days later
    ended = [
        {
            "lead_id": f"b{n}", "created_at": came, "created_known_at": came,
            "ended_known_at": came + timedelta(days=40), "outcome": "lost",
        }
        for n in range(3)
    ]  # fmt: skip
    lake.append("leads", pa.Table.from_pylist(ended, schema=LEADS))
    history = LeadHistory(lambda: lake, lambda _: ByRate())
    night = NOW - timedelta(hours=6)
    arrived, learned, now = history.of("a", (), NOW, seen_at=night).points
    assert (learned["events"], learned["at"][:10]) == ([], night.date().isoformat())
    assert learned["features"] == pytest.approx(score(3.0) - score(0.0))
    assert arrived["score"] + learned["timeDecay"] + learned["features"] == learned["score"]
    assert (now["score"], now["timeDecay"], now["features"]) == (learned["score"], 0.0, 0.0)
    assert len(history.of("a", (), NOW).points) == 2
