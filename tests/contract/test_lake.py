"""What a lake promises, held against a folder and an S3 bucket."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import SecretStr

from hki_ml import tables
from hki_ml.adapters.lake import DeltaLake, open_lake
from hki_ml.errors import Conflict, NotFound
from hki_ml.ports import Lake, Span
from hki_ml.settings import LakeSettings
from tests import servers

AT = datetime(2024, 1, 1, tzinfo=UTC)
Open = Callable[[], Lake]


@pytest.fixture(scope="module")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.s3(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.server)])
def open_again(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "folder":
        return lambda: open_lake(LakeSettings(), tmp_path)
    settings = LakeSettings(
        url=f"s3://lake/{uuid.uuid4().hex}",
        s3_endpoint=request.getfixturevalue("s3_url"),
        s3_access_key=SecretStr("test"),
        s3_secret_key=SecretStr("testtest"),
    )
    return lambda: open_lake(settings, tmp_path)


def quarantined(*reasons: str) -> pa.Table:
    rows = [{"quarantine_id": reason, "reason": reason, "quarantined_at": AT} for reason in reasons]
    return pa.Table.from_pylist(rows, schema=tables.QUARANTINE)


def reasons(lake: Lake, **options: int) -> list[str]:
    return sorted(lake.read("quarantine", **options)["reason"].to_pylist())  # type: ignore[arg-type]


def test_a_table_never_written_is_empty_under_its_schema(open_again: Open) -> None:
    lake = open_again()
    assert lake.version("sales") == -1
    assert lake.offset("sales", "a") is None
    assert lake.read("sales").schema == tables.SALES
    assert list(lake.batches("sales")) == []
    with pytest.raises(NotFound):
        lake.read("never_heard_of")


def test_what_was_appended_is_read_also_by_another(open_again: Open) -> None:
    lake = open_again()
    lake.append("quarantine", quarantined("a", "b"))
    lake.append("quarantine", quarantined("c"))
    assert reasons(open_again()) == ["a", "b", "c"]
    assert lake.read("quarantine").schema == tables.QUARANTINE


def test_the_same_span_is_taken_once(open_again: Open) -> None:
    lake = open_again()
    lake.append("quarantine", quarantined("a"), spans={"bus:0": Span(0, 5)})
    with pytest.raises(Conflict, match="expected bus:0 at offset 0, it stands at 5"):
        lake.append("quarantine", quarantined("a"), spans={"bus:0": Span(0, 5)})
    assert reasons(lake) == ["a"]
    assert open_again().offset("quarantine", "bus:0") == 5


def test_of_two_who_begin_at_the_same_place_one_wins(open_again: Open) -> None:
    first, second = open_again(), open_again()
    first.append("quarantine", quarantined("a"), spans={"bus:0": Span(0, 1)})
    assert second.offset("quarantine", "bus:0") == 1
    first.append("quarantine", quarantined("b"), spans={"bus:0": Span(1, 2)})
    with pytest.raises(Conflict):
        second.append("quarantine", quarantined("b"), spans={"bus:0": Span(1, 2)})
    assert reasons(second) == ["a", "b"]


def test_offsets_of_different_inputs_do_not_meet(open_again: Open) -> None:
    lake = open_again()
    lake.append("quarantine", quarantined("a"), spans={"bus:0": Span(0, 5)})
    lake.append("quarantine", quarantined("b"), spans={"bus:1": Span(0, 3)})
    assert (lake.offset("quarantine", "bus:0"), lake.offset("quarantine", "bus:1")) == (5, 3)


def test_what_was_added_since_a_version_can_be_read_alone(open_again: Open) -> None:
    lake = open_again()
    for reason in "abc":
        lake.append("quarantine", quarantined(reason))
    newest = lake.version("quarantine")

    def since(start: int) -> list[str]:
        batches = lake.batches("quarantine", columns=["reason"], since=start, until=newest)
        return sorted(value for batch in batches for value in batch.column(0).to_pylist())

    assert since(newest - 2) == ["b", "c"]
    assert since(newest) == []
    assert since(-1) == ["a", "b", "c"]
    assert reasons(lake, version=newest - 1) == ["a", "b"]


def test_replacing_by_the_same_changes_no_version(open_again: Open) -> None:
    lake = open_again()
    version = lake.replace("quarantine", quarantined("a"))
    assert lake.replace("quarantine", quarantined("a")) == version
    assert lake.replace("quarantine", quarantined("b")) > version
    assert reasons(lake) == ["b"]


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises((pa.ArrowInvalid, ValueError)):
        DeltaLake(tmp_path).append("quarantine", pa.table({"x": [1]}))
