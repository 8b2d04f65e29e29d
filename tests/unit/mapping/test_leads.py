from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from hki_ml.errors import MappingError
from hki_ml.events import LeadCreated, decode
from hki_ml.learning.lead_labels import closing_within
from hki_ml.mapping import load_mapping
from hki_ml.mapping.lead_rows import apply_leads
from hki_ml.mapping.lead_wire import lead_events
from hki_ml.mapping.leads import parse_lead_mapping
from hki_ml.pipeline.lead_frame import lead_frame
from tests.conftest import ROOT

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = {
    "event": "lead",
    "source": "crm",
    "time_zone": "America/Sao_Paulo",
    "id": {"lead": ["id"]},
    "created": {"column": "came"},
    "lead_source": "channel",
    "ends": [
        {
            "outcome": "closed",
            "when": [{"column": "state", "equals": "won"}],
            "at": {"column": "ended"},
        },
        {
            "outcome": "lost",
            "when": [{"column": "state", "equals": "lost"}],
            "at": {"column": "ended"},
        },
    ],
    "facts": {
        "size": {"column": "size", "kind": "number"},
        "kind": {"column": "kind", "kind": "category"},
    },
}
ROWS = pl.DataFrame({
    "id": ["a", "b", "c", "d", "e"],
    "came": ["2018-01-02", "2018-01-03 10:00:00", "2018-11-04", "2018-01-05", "2018-01-06"],
    "channel": ["web", None, "fair", "web", "web"],
    "state": ["won", "open", "lost", "won", "won"],
    "ended": ["2018-02-01", None, "2018-12-01", "2018-01-01", None],
    "size": ["1.5", "", "many", "2", "3"],
    "kind": ["x", "y", "z", "x", "x"],
})  # fmt: skip


def mapping(**changes):
    return parse_lead_mapping({**TABLE, **changes})


def test_a_row_of_a_table_is_a_lead_and_perhaps_its_end():
    mapped = apply_leads(ROWS.head(2), mapping(), as_of=NOW)
    said = mapped.accepted.select("event_type", "lead_id").rows()
    assert said == [("lead.created", "a"), ("lead.closed", "a"), ("lead.created", "b")]


def test_each_row_ends_accepted_refused_or_filtered_with_a_reason():
    mapped = apply_leads(ROWS, mapping(), as_of=NOW)
    assert mapped.refused.select("row_number", "reason").rows() == [
        (3, "number_unparsable"),
        (4, "ended_before_created"),
        (5, "end_undated"),
    ]
    assert mapped.accepted["row_number"].n_unique() + mapped.refused.height == mapped.read


def test_a_midnight_that_the_clocks_skipped_is_still_a_moment():
    mapped = apply_leads(ROWS[2:3].with_columns(size=pl.lit("1")), mapping(), as_of=NOW)
    assert mapped.accepted["occurred_at"][0] == datetime(2018, 11, 4, 3, tzinfo=UTC)


def test_events_of_rows_are_events_and_the_same_ones_every_time():
    spec = mapping()
    rows = apply_leads(ROWS.head(2), spec, as_of=NOW).accepted
    written = lead_events(rows, spec)
    events = [decode(text.encode()) for text in written["event"]]
    assert isinstance(events[0], LeadCreated)
    assert events[0].properties.lead_source == "web"
    assert events[0].properties.facts == {"size": 1.5, "kind": "x"}
    assert [str(event.event_id) for event in events] == written["event_id"].to_list()
    assert lead_events(rows, spec)["event_id"].to_list() == written["event_id"].to_list()


def test_a_fact_under_a_protected_name_is_refused_with_the_way_out():
    with pytest.raises(MappingError, match=r"facts.applicant_sex.*\[protected\]"):
        mapping(facts={"applicant_sex": {"column": "size", "kind": "category"}})


def test_a_protected_column_under_another_name_is_refused_too():
    with pytest.raises(MappingError, match=r"MaritalStatus.*family"):
        mapping(facts={"x17": {"column": "MaritalStatus", "kind": "category"}})


def test_values_that_say_a_protected_attribute_are_refused_row_by_row():
    rows = ROWS.head(2).with_columns(kind=pl.Series(["Female", "y"]))
    mapped = apply_leads(rows, mapping(), as_of=NOW)
    assert mapped.refused["reason"].to_list() == ["protected_fact"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ends": [{"outcome": "closed"}]}, "neither"),
        ({"event": "lead.log"}, r"\[activity\]"),
        ({"id": {"lead": []}}, "id.lead"),
        ({"fcts": {}}, "facts"),
        ({"ends": [{"outcome": "won", "at": {"column": "ended"}}]}, "won"),
    ],
)
def test_a_mapping_that_cannot_work_says_what_it_expected(change, message):
    with pytest.raises(MappingError, match=message):
        mapping(**change)


def test_an_unknown_event_of_a_log_is_told_with_the_closest():
    log = {
        "event": "lead.log", "source": "log", "id": {"lead": ["id"]}, "created": {"column": "came"},
        "activity": {"columns": ["state"], "events": {"won": "lead.close"}},
    }  # fmt: skip
    with pytest.raises(MappingError, match=r"lead\.close.*lead\.closed"):
        parse_lead_mapping(log)


@pytest.mark.parametrize(
    "name", ["baltimore", "bank_marketing", "bpi2012", "hmda", "olist", "online_shoppers"]
)
def test_our_own_mappings_parse(name):
    assert load_mapping(ROOT / "mappings" / f"{name}.toml").description


def test_a_file_becomes_the_frame_that_rooms_learn_from(tmp_path: Path):
    file = tmp_path / "leads.csv"
    ROWS.head(2).write_csv(file)
    found = lead_frame(file, mapping(), as_of=NOW)
    assert found.rows["lead_id"].to_list() == ["a", "b"]
    assert found.rows["landmark_days"].unique().tolist() == [0.0]
    assert closing_within(found.rows, 90).closed.tolist() == [True, False]


def test_without_dates_the_order_is_drawn_and_told(tmp_path: Path):
    file = tmp_path / "leads.csv"
    pl.DataFrame({"won": [i % 2 for i in range(40)], "size": range(40)}).write_csv(file)
    spec = parse_lead_mapping({
        "event": "lead", "source": "crm", "horizon_days": 0, "id": {"lead": []},
        "ends": [{"outcome": "closed", "when": [{"column": "won", "equals": 1}]}],
        "facts": {"size": {"column": "size", "kind": "number"}},
    })  # fmt: skip
    one, again, other = (lead_frame(file, spec, as_of=NOW, seed=seed) for seed in (0, 0, 1))
    assert not one.is_in_time
    assert one.rows["lead_id"].to_list() == again.rows["lead_id"].to_list()
    assert one.rows["lead_id"].to_list() != other.rows["lead_id"].to_list()
    assert closing_within(one.rows, 0).closed.sum() == 20


def test_leads_that_came_before_the_records_begin_are_left_out_in_the_mapping_s_zone():
    kept = mapping(created={"column": "came", "since": date(2018, 1, 3)})
    mapped = apply_leads(ROWS.head(2), kept, as_of=NOW)
    assert mapped.accepted["lead_id"].to_list() == ["b"]
    assert mapped.filtered == 1


def test_a_number_over_another_is_unknown_where_that_is_not_above_zero():
    rows = ROWS.head(2).with_columns(size=pl.Series(["3", "3"]), room=pl.Series(["2", "0"]))
    share = {"share": {"column": "size", "over": "room", "kind": "number"}}
    mapped = apply_leads(rows, mapping(facts=share), as_of=NOW)
    assert mapped.refused.is_empty()
    created = mapped.accepted.filter(event_type="lead.created")
    assert created["fact_share"].to_list() == [1.5, None]


def test_a_category_over_a_column_is_refused():
    with pytest.raises(MappingError, match="over"):
        mapping(facts={"share": {"column": "size", "over": "room", "kind": "category"}})


def test_what_is_followed_longer_than_its_last_event_has_had_its_horizon(tmp_path: Path):
    file = tmp_path / "leads.csv"
    ROWS.head(2).write_csv(file)
    plain = lead_frame(file, mapping(horizon_days=90), as_of=NOW).rows
    longer = mapping(horizon_days=90, followed_until=date(2018, 12, 31))
    followed = lead_frame(file, longer, as_of=NOW).rows
    assert not closing_within(plain, 90).matured.any()
    assert closing_within(followed, 90).matured.all()
