"""What a lake promises, held against a folder and an S3 bucket."""

from __future__ import annotations

import subprocess
import sys
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
LATER = datetime(2024, 1, 2, tzinfo=UTC)
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


def test_a_table_in_parts_is_replaced_by_what_they_are_together(open_again: Open) -> None:
    lake = open_again()

    def replaced(*parts: str) -> int:
        made = (pa.concat_tables([quarantined(each) for each in part]) for part in parts)
        return lake.replace_parts("quarantine", made, count=len("".join(parts)))

    version = replaced("ab", "c", "de")
    assert reasons(lake) == ["a", "b", "c", "d", "e"]
    assert replaced("a", "bcd", "e") == version  # however they are cut
    for parts in (
        ("ab", "c", "dx"),
        ("ab", "x", "de"),
        ("xb", "c", "de"),
        ("ab", "c"),
        ("abcdef",),
    ):
        before = version
        version = replaced(*parts)
        assert version > before
        assert reasons(lake) == sorted("".join(parts))


def test_a_large_table_that_is_written_in_any_order_is_known_again(open_again: Open) -> None:
    lake, many = open_again(), [f"{i:06d}" for i in range(50_000)]
    rows = quarantined(*many)
    version = lake.replace("quarantine", rows)
    assert lake.replace("quarantine", rows) == version
    assert lake.replace("quarantine", rows.take(list(reversed(range(50_000))))) == version
    assert lake.replace("quarantine", quarantined(*many[1:], many[1])) > version


def test_a_part_that_cannot_be_made_leaves_the_table_as_it_was(open_again: Open) -> None:
    lake = open_again()
    version = lake.replace("quarantine", quarantined("a"))

    def breaks() -> Iterator[pa.Table]:
        yield quarantined("b")
        raise RuntimeError("no more")

    with pytest.raises(Exception, match="no more"):
        lake.replace_parts("quarantine", breaks(), count=2)
    assert (lake.version("quarantine"), reasons(open_again())) == (version, ["a"])


def test_what_is_old_is_forgotten_once_and_who_follows_sees_no_more_of_it(open_again: Open) -> None:
    lake = open_again()
    assert lake.forget("quarantine", "quarantined_at", before=AT) == 0
    lake.append("quarantine", quarantined("a", "b"))
    late = quarantined("c").set_column(6, "quarantined_at", pa.array([LATER], tables.TIME))
    lake.append("quarantine", late)
    seen = lake.version("quarantine")
    assert (
        lake.forget("quarantine", "quarantined_at", before=AT) == 0
    )  # at the moment is not before
    assert lake.forget("quarantine", "quarantined_at", before=LATER) == 2
    assert lake.forget("quarantine", "quarantined_at", before=LATER) == 0
    assert reasons(open_again()) == ["c"]
    lake.append("quarantine", quarantined("d"))
    rows = pa.Table.from_batches(lake.batches("quarantine", since=seen), tables.QUARANTINE)
    assert rows["reason"].to_pylist() == ["d"]


def test_rows_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises((pa.ArrowInvalid, ValueError)):
        DeltaLake(tmp_path).append("quarantine", pa.table({"x": [1]}))


BREAKS_OFF = """
import sys
from datetime import UTC, datetime
import pyarrow as pa
from hki_ml.adapters.lake import DeltaLake
lake = DeltaLake(sys.argv[1])
rows = pa.table({"text": [f"row {n} " * 20 for n in range(60_000)]})
for _ in range(20):
    lake.append("much", rows)
print(next(lake.batches("much")).num_rows > 0)
"""


def test_a_process_that_breaks_off_a_reading_ends_well(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BREAKS_OFF, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
