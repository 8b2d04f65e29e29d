"""A file as a whole, before a row of it comes in: is it like what its source sent before?

Row by row a day's file may be fine and the file be broken all the same: a column that went missing, cents
for dollars, two columns in each other's place. Such a file is held: its rows wait in the quarantine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from hki_ml.mapping.checks import HELD
from hki_ml.mapping.loading import AnyMapping, events_of
from hki_ml.monitoring.check import settled
from hki_ml.pipeline.quality_columns import CARRIERS, FEWEST, MOST_BEFORE, RULES, compared, sentence
from hki_ml.pipeline.reading import Reading
from hki_ml.ports import Lake
from hki_ml.tables import EVENTS
from hki_ml.transforms.events import event_rows

MORE_REFUSED = 0.2  # of the rows, above what the source is used to
MOST_COMMITS = 400  # looked back over for what the source sent before
COLUMNS = ("source", "event_type", "entity_id", "properties_json")


def unlike_before(
    lake: Lake, mapping: AnyMapping, readings: Iterable[Reading], *, at: datetime
) -> tuple[str, ...]:
    """Return why a file is not to be believed as a whole, one sentence a reason; none if it is.

    Looks at the file's first ``MOST_BEFORE`` rows. A source's first file is held against nothing.

    Parameters
    ----------
    readings
        The file under its mapping; read as far as needed.
    """
    earlier = _earlier(lake, mapping.source)
    if earlier.num_rows < FEWEST:
        return ()
    later, read, refused = _peek(mapping, readings, at)
    found = list(_refusals(lake, mapping.source, earlier.num_rows, read, refused, at))
    if not later.num_rows:
        return tuple(found)
    when = f"of the file, which begins on {pc.min(later['occurred_at']).as_py():%Y-%m-%d}"
    for kind in CARRIERS:
        before, now = (each.filter(pc.equal(each["event_type"], kind)) for each in (earlier, later))
        if min(before.num_rows, now.num_rows) < FEWEST:
            continue
        checks = compared(f"{mapping.source}:{kind}", before, now)
        found += [sentence(each, when) for each in checks if settled(each, (), RULES).alarm]
    return tuple(found)


def _earlier(lake: Lake, source: str) -> pa.Table:
    """Return the latest events of a source that carry facts."""
    parts: list[pa.RecordBatch] = []
    version, rows = lake.version("events"), 0
    for until in range(version, max(version - MOST_COMMITS, -1), -1):
        for batch in lake.batches("events", columns=COLUMNS, since=until - 1, until=until):
            is_its = pc.and_(
                pc.equal(batch["source"], source),
                pc.is_in(batch["event_type"], pa.array(CARRIERS)),
            )
            parts.append(batch.filter(is_its))
            rows += parts[-1].num_rows
        if rows >= MOST_BEFORE:
            break
    schema = pa.schema([EVENTS.field(name) for name in COLUMNS])
    return pa.Table.from_batches(parts, schema).slice(0, MOST_BEFORE)


def _peek(
    mapping: AnyMapping, readings: Iterable[Reading], at: datetime
) -> tuple[pa.Table, int, Counter[str]]:
    """Return the first events of the file, each once, of how many rows, and what was refused of these."""
    texts: dict[str, str] = {}
    read, refused = 0, Counter[str]()
    for reading in readings:
        events = events_of(reading.accepted, mapping)
        texts.update(zip(events["event_id"].to_list(), events["event"].to_list(), strict=True))
        read += reading.read - reading.filtered + len(reading.malformed)
        refused.update(reading.refused["reason"].to_list())
        refused.update(["row_malformed"] * len(reading.malformed))
        if read >= MOST_BEFORE:
            break
    raw = [text.encode() for text in list(texts.values())[:MOST_BEFORE]]
    return event_rows(raw, ingested_at=at), read, refused


def _refusals(
    lake: Lake, source: str, accepted: int, read: int, refused: Counter[str], at: datetime
) -> Iterator[str]:
    if read < FEWEST:
        return
    kept = lake.read("quarantine", columns=["reason"], where=("origin", source))["reason"]
    before = sum(each != HELD for each in kept.to_pylist())
    usual, share = before / (before + accepted), refused.total() / read
    if share > usual + MORE_REFUSED:
        most, _ = refused.most_common(1)[0]
        yield (
            f"{share:.0%} of the file's first {read:,} rows were refused on {at:%Y-%m-%d}, "
            f"{usual:.0%} before, at most {MORE_REFUSED:.0%} more expected; most often: {most}"
        )
