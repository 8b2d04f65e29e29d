"""Files in and out: numbers of rows, encodings, formulas, ids."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hki_ml.batch.audit import prediction_ids
from hki_ml.batch.job import Job, JobFolder
from hki_ml.batch.reading import REFUSED, open_file, read_rows
from hki_ml.batch.writing import inert, write_rejects, write_result
from hki_ml.errors import BadInput, Conflict, FileUnreadable
from hki_ml.serving.bulks import BULKS

LEADS = BULKS["lead_scoring"]
AS_OF = datetime(2026, 7, 1, tzinfo=UTC)


def read(folder: Path, content: bytes, name: str = "rows.csv", encoding: str | None = None):
    file = folder / name
    file.write_bytes(content)
    out, refused = folder / "out.parquet", folder / "refused.parquet"
    found = read_rows(open_file(file, encoding), LEADS, out, refused, lambda _: None)
    kept = pq.read_table(out).to_pylist()
    return (
        found,
        [(r["row_number"], r["entity_id"]) for r in kept],
        pq.read_table(refused).to_pylist(),
    )


@pytest.mark.parametrize(
    "content",
    [
        b"lead_id,x\na,1\nb,2\n",
        b"\xef\xbb\xbflead_id,x\r\na,1\r\nb,2\r\n",
        b"x;Lead ID\n1;a\n2;b\n",
        b'"leadId"\t"x"\n"a"\t"1"\n"b"\t"2"\n',
        "lead_id,x\na,ü\nb,2\n".encode("utf-16"),
        b'{"lead_id": "a"}\n{"lead_id": "b"}\n',
        b"lead_id\na\n\n\nb",
    ],
)
def test_ids_are_read_from_every_common_kind_of_text(tmp_path, content):
    _, kept, refused = read(tmp_path, content)
    assert [entity for _, entity in kept] == ["a", "b"]
    assert refused == []


def test_ids_are_read_from_parquet_also_as_numbers(tmp_path):
    pq.write_table(pa.table({"lead_id": [1, 2]}), tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    _, kept, _ = read(tmp_path, content, "rows.parquet")
    assert kept == [(1, "1"), (2, "2")]


def test_a_row_keeps_its_number_behind_malformed_ones(tmp_path):
    found, kept, refused = read(tmp_path, b"lead_id,x\na,1\nb\nc,3\nd,4,5\n,6\ne,7\n")
    assert found.rows == 6
    assert kept == [(1, "a"), (3, "c"), (6, "e")]
    said = [(row["row_number"], row["reason"]) for row in refused]
    assert sorted(said) == [(2, "row_malformed"), (4, "row_malformed"), (5, "id_missing")]


def test_another_encoding_is_read_when_it_is_named_and_asked_for_when_not(tmp_path):
    content = "lead_id,town\na,Zürich\n".encode("latin1")
    with pytest.raises(FileUnreadable, match="latin1"):
        read(tmp_path, content)
    assert read(tmp_path, content, encoding="latin1")[1] == [(1, "a")]
    with pytest.raises(BadInput, match="'nonsense'"):
        read(tmp_path, content, encoding="nonsense")


def test_a_file_without_the_column_is_told_what_stands_there(tmp_path):
    with pytest.raises(BadInput, match=r"expected a column lead_id or id, got key, name"):
        read(tmp_path, b"key,name\n1,x\n")


@given(st.lists(st.text(max_size=12), max_size=20))
def test_no_text_of_a_csv_begins_as_a_formula_unless_it_is_a_number(texts):
    made = inert(pl.DataFrame({"text": texts}, schema={"text": pl.String}))["text"].to_list()
    for before, after in zip(texts, made, strict=True):
        assert after in {before, "'" + before}
        if before[:1] in set("=+-@\t\r\n") and before:
            assert after != before or float(before) is not None


def test_negative_numbers_come_out_of_a_csv_as_they_went_in(tmp_path):
    part = tmp_path / "part.parquet"
    table = pa.table({"row_number": [1, 2], "entity_id": ["=cmd()", "-7"], "x": [-0.1, -1e-9]})
    pq.write_table(table, part)
    write_result([part], tmp_path / "out.csv", "csv", table.schema)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines == ["row_number,entity_id,x", "1,'=cmd(),-0.1", "2,-7,-1e-9"]


def test_rejects_are_written_in_the_order_of_their_rows(tmp_path):
    for name, numbers in (("a", [5, 9]), ("b", [2])):
        rows = [
            {"row_number": n, "entity_id": "@x", "reason": "id_unknown", "detail": "d"}
            for n in numbers
        ]
        pq.write_table(pa.Table.from_pylist(rows, REFUSED), tmp_path / f"{name}.parquet")
    write_rejects([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[1:] == [
        f"{n},'@x,id_unknown,d" for n in (2, 5, 9)
    ]


@given(st.sets(st.integers(1, (1 << 26) - 1), min_size=1, max_size=50))
def test_prediction_ids_rise_with_the_row_and_are_uuids_of_version_7(rows):
    ids = prediction_ids("job", AS_OF, sorted(rows))
    assert ids == sorted(ids)
    assert len(set(ids)) == len(rows)
    assert {UUID(each).version for each in ids} == {7}
    assert ids == prediction_ids("job", AS_OF, sorted(rows))
    assert set(ids).isdisjoint(prediction_ids("other", AS_OF, sorted(rows)))


def test_a_job_is_held_by_one_at_a_time_and_let_go(tmp_path):
    folder = JobFolder(tmp_path / "job")
    folder.create(Job("j", "lead_scoring", "rows.csv", AS_OF.isoformat(), "x"))
    with folder.alone(), pytest.raises(Conflict, match="somebody else"), folder.alone():
        pass
    with folder.alone():
        pass
    with pytest.raises(Conflict):
        folder.create(Job("j", "lead_scoring", "rows.csv", AS_OF.isoformat(), "x"))


def test_a_job_that_waits_is_cancelled_at_once(tmp_path):
    folder = JobFolder(tmp_path / "job")
    folder.create(Job("j", "lead_scoring", "rows.csv", AS_OF.isoformat(), "x"))
    folder.cancel()
    assert folder.progress().state == "cancelled"
    assert folder.progress().ended_at  # by which it is forgotten some day
