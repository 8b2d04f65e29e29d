"""Groups that the law protects: where they come from, which of two holds, and that no event has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import polars as pl
import pytest

from hki_ml.adapters.bus_local import LocalBus
from hki_ml.adapters.lake import DeltaLake
from hki_ml.errors import BadInput, FileUnreadable
from hki_ml.mapping.leads import parse_lead_mapping
from hki_ml.pipeline.groups import Kept, groups_of_leads, keep, read_groups, with_groups
from hki_ml.pipeline.importing import Import

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAPPING = parse_lead_mapping({
    "event": "lead", "source": "crm", "id": {"lead": ["id"]}, "created": {"column": "came"},
    "facts": {"size": {"column": "size", "kind": "number"}},
    "protected": {"race": {"column": "race", "kind": "category", "missing": ["not asked"]}},
})  # fmt: skip


@pytest.fixture
def lake(tmp_path) -> DeltaLake:
    return DeltaLake(tmp_path / "lake")


def rows(*said: tuple[str, str, str | None]) -> pl.DataFrame:
    return pl.DataFrame(said, schema=["lead_id", "attribute", "group"], orient="row")


def test_the_last_word_of_a_lead_and_attribute_holds_and_nothing_is_written_twice(lake):
    said = rows(("a", "race", "x"), ("a", "race", "y"), ("a", "sex", "f"), ("b", "race", None))
    assert keep(lake, said, source="file", at=NOW) == Kept(2, 0)
    assert keep(lake, said, source="file", at=NOW) == Kept(0, 2)
    later = NOW + timedelta(days=1)
    assert keep(lake, rows(("a", "race", "x")), source="file", at=later) == Kept(1, 0)
    assert groups_of_leads(lake).to_dict("index") == {"a": {"race": "x", "sex": "f"}}
    assert lake.read("protected_groups").num_rows == 3  # what was said before stays


def test_a_file_of_leads_brings_its_protected_columns_beside_the_events(lake, tmp_path):
    file = tmp_path / "leads.csv"
    file.write_text(
        "id,came,size,race\n1,2025-01-02,3,x\n2,2025-01-03,4,not asked\n3,2025-01-04,5,y\n4,never,6,x\n"
    )
    bus = LocalBus(tmp_path / "bus")
    tally = Import(bus, lake, MAPPING, NOW).run(file)
    assert (tally.accepted, tally.refused.total()) == (3, 1)
    assert groups_of_leads(lake)["race"].to_dict() == {"1": "x", "3": "y"}
    told = " ".join(lake.read("events")["properties_json"].to_pylist())
    assert "race" not in told
    Import(bus, lake, MAPPING, NOW).run(file)
    assert lake.read("protected_groups").num_rows == 2


def test_examples_of_leads_have_the_groups_beside_them_and_others_nothing(lake):
    leads, sales = pd.DataFrame({"lead_id": ["a", "b", "a"]}), pd.DataFrame({"sale_id": ["a"]})
    assert with_groups(leads, lake) is leads
    keep(lake, rows(("a", "race", "x")), source="file", at=NOW)
    joined = with_groups(leads, lake)
    assert joined["protected_race"].where(joined["protected_race"].notna(), None).to_list() == [
        "x", None, "x",
    ]  # fmt: skip
    assert with_groups(sales, lake) is sales


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lead_id,attribute\na,race\n", "expected the columns lead_id, attribute, group"),
        ("lead_id,attribute,group\na,shoe size,4\n", "row 2: expected an attribute that the law"),
        ("lead_id,attribute,group\na,race,x\n,race,x\n", "row 3: expected lead_id, got nothing"),
    ],
)
def test_a_file_of_groups_says_what_is_wrong_and_where(tmp_path, text, says):
    file = tmp_path / "groups.csv"
    file.write_text(text)
    with pytest.raises(BadInput, match=says):
        read_groups(file)
    with pytest.raises(FileUnreadable, match="none"):
        read_groups(tmp_path / "none.csv")


def test_csv_and_parquet_say_the_same(tmp_path):
    said = rows(("a", "race", "x"), ("b", "sex", None))
    said.write_csv(tmp_path / "g.csv")
    said.write_parquet(tmp_path / "g.parquet")
    assert read_groups(tmp_path / "g.csv").equals(read_groups(tmp_path / "g.parquet"))
