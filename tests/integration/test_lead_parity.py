"""A lead's features are the same values to learn from, online and by the transform itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from hki_ml.arrival import new_event
from hki_ml.events import AnyEvent, encode
from hki_ml.learning.lead_features import feature_frame
from hki_ml.learning.lead_labels import landmarks
from hki_ml.pipeline.ingest import ingest
from hki_ml.pipeline.materialize import materialize
from hki_ml.pipeline.tabulate import STATE_TABLES, state_of
from hki_ml.serving.entities import OnlineEntities
from hki_ml.serving.investors import Departures, Gone
from hki_ml.serving.lately import recall
from hki_ml.serving.lead_board import LeadBoard
from hki_ml.serving.live_leads import SERVICE, LiveLeads
from hki_ml.serving.live_leads import state_of as served_state
from hki_ml.settings import FeatureSettings, Settings
from hki_ml.simulation.run import simulate
from hki_ml.tables import LEAD_STATE
from hki_ml.wiring import Backend, connect
from tests.conftest import ROOT
from tests.unit.simulation.town import END, town, world

UNTIL = END + timedelta(hours=1)
NAMES = [name for name in LEAD_STATE.names if name not in {"lead_id", "event_timestamp", "created"}]


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.setenv("HKI_HOME", str(tmp_path / "home"))
    features = FeatureSettings(repository=ROOT / "features")
    made = connect(Settings(home=tmp_path / "home", features=features, _env_file=None))
    simulate(made, world(300), town(), now=END)
    materialize(made, until=UNTIL)
    return made


def test_training_frame_online_store_and_transform_give_the_same_values(backend: Backend) -> None:
    lake = backend.lake
    known = lake.read("leads")
    every = landmarks(known, known_until=pd.Timestamp(UNTIL))
    learned = every.sample(80, random_state=1).sort_index().reset_index(drop=True)
    now = pd.DataFrame({"lead_id": known["lead_id"].to_pylist()[-60:], "event_timestamp": UNTIL})
    spine = pd.concat([learned[["lead_id", "event_timestamp"]], now], ignore_index=True)
    spine["event_timestamp"] = pd.to_datetime(spine["event_timestamp"], utc=True).astype(
        "datetime64[us, UTC]"
    )

    versions = {table: lake.version(table) for table in STATE_TABLES}
    asked = pa.Table.from_pandas(spine, preserve_index=False)
    parts = pa.concat_tables(state_of(lake, known, asked, versions=versions))
    by_transform = parts.cast(LEAD_STATE).to_pandas()
    by_feast = backend.features.training_frame(SERVICE, spine)
    for name in NAMES:
        for here, there in zip(by_transform[name], by_feast[name], strict=True):
            assert same(here, there), name
    online = backend.features.online(SERVICE, now["lead_id"].to_list())
    expected = by_transform.tail(len(now)).to_dict("records")
    for row, wanted in zip(online, expected, strict=True):
        assert row.seen_at == UNTIL
        assert {n for n in NAMES if not same(row.values.get(n), wanted[n])} == set()

    at = {"event_timestamp": pd.Timestamp(UNTIL)}
    served = pd.DataFrame([{**dict.fromkeys(NAMES), **served_state(row), **at} for row in online])
    pd.testing.assert_frame_equal(
        feature_frame(served), feature_frame(by_transform.tail(len(now)).reset_index(drop=True))
    )


def test_a_second_materialization_with_nothing_new_writes_only_what_moves_with_the_day(
    backend: Backend,
) -> None:
    tables = ("events", "leads", "property_facts", "property_value", "lead_state", "state_runs",
              "materialized", "market_trend")  # fmt: skip
    before = versions_of(backend, tables)
    again = materialize(backend, until=UNTIL)
    assert again.rows == 0
    assert versions_of(backend, tables) == before
    later = materialize(backend, until=UNTIL + timedelta(hours=5))
    moved = {name for name, v in versions_of(backend, tables).items() if v != before[name]}
    assert moved <= {"lead_state", "state_runs", "materialized"}
    known = backend.lake.read("leads").num_rows
    assert later.rows <= 7 * known  # the rows of now, and landmarks that came due


def versions_of(backend: Backend, tables: tuple[str, ...]) -> Mapping[str, int]:
    return {table: backend.lake.version(table) for table in tables}


def same(here: object, there: object) -> bool:
    def missing(value: object) -> bool:
        return value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA

    return (missing(here) and missing(there)) or here == there


def accept(
    backend: Backend, kind: str, lead: str, at: datetime, says: Mapping[str, object] | None = None
) -> AnyEvent:
    """Make an event durable as the door of events does, no more."""
    told = {"eventType": kind, "entityId": lead, "properties": dict(says or {})}
    event = new_event(told, received_at=at)
    backend.bus.publish([(lead, encode(event))])
    return event


def started(backend: Backend) -> LiveLeads:
    """Return leads as a service has them that has just started."""
    leads = LiveLeads(OnlineEntities(lambda: backend.features, SERVICE, served_state))
    ingest(backend.bus, backend.lake, ingested_at=UNTIL)
    recall(backend.lake, leads)
    return leads


def test_who_went_before_a_restart_stays_out(backend: Backend) -> None:
    soon = UNTIL + timedelta(minutes=5)
    for who, out in (("anna", True), ("bert", True), ("bert", False)):
        accept(backend, "investor.criteria_set", who, soon, {"optedOut": out})
    for kind in ("investor.deleted", "investor.registered"):
        accept(backend, kind, "dora", soon)
    accept(backend, "investor.deleted", "carl", soon)
    departures = Departures()
    leads = LiveLeads(OnlineEntities(lambda: backend.features, SERVICE, served_state))
    ingest(backend.bus, backend.lake, ingested_at=UNTIL)
    recall(backend.lake, leads, departures.take)
    assert departures.gone() == Gone(opted_out=("anna",), deleted=("carl",))


def test_what_was_accepted_before_a_restart_still_counts_after_it(backend: Backend) -> None:
    known = backend.lake.read("leads")["lead_id"].to_pylist()[-1]
    soon = UNTIL + timedelta(minutes=5)
    accept(backend, "lead.created", "came lately", soon)
    reply = accept(backend, "lead.replied", known, soon)
    leads = started(backend)
    assert leads.lead("came lately", None) is not None
    found = leads.lead(known, leads.stored.read(known, soon))
    assert found is not None
    assert found.live_events == (str(reply.event_id),)

    materialize(backend, until=soon + timedelta(minutes=1))
    leads = started(backend)
    found = leads.lead(known, leads.stored.read(known, soon))
    assert found is not None
    assert found.live_events == ()  # the state holds it now


def test_a_materialization_takes_along_what_only_the_bus_has(backend: Backend) -> None:
    accept(backend, "lead.created", "on the bus alone", UNTIL)
    materialize(backend, until=UNTIL + timedelta(hours=1))
    (row,) = backend.features.online(SERVICE, ["on the bus alone"])
    assert row.seen_at == UNTIL + timedelta(hours=1)


class ByAge:
    """A scorer that knows but one thing."""

    version = "1"

    def margin_of(self, states: pd.DataFrame) -> object:
        assert str(states.dtypes["lead_created_at_us"]) == "int64"
        return -(states["event_timestamp"].astype("int64") - states["lead_created_at_us"]) / 1e16


def test_the_list_knows_leads_that_came_and_ended_since_the_materialization(
    backend: Backend,
) -> None:
    soon = UNTIL + timedelta(minutes=5)
    live = started(backend)
    board = LeadBoard(lambda: backend.lake, live, ByAge)
    listed = board.board(UNTIL).rows["lead_id"].to_list()
    live.take(accept(backend, "lead.created", "came lately", soon))
    live.take(accept(backend, "lead.lost", listed[0], soon))
    live.take(accept(backend, "lead.appointment_set", listed[1], soon))
    now = board.board(soon).rows.set_index("lead_id")
    assert set(now.index) == {*listed[1:], "came lately"}
    assert now.loc[listed[1], "stage"] in {"appointment", "offer", "contract"}
    assert str(now.dtypes["lead_close_rate"]) == "float64"
