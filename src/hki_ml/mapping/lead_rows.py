"""A batch of a file of leads under its mapping: rows that become events, rows refused, rows filtered out."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from hki_ml.errors import MappingError
from hki_ml.mapping import checks, parse
from hki_ml.mapping.apply import ROW_NUMBER, Mapped, passes
from hki_ml.mapping.files import open_rows
from hki_ml.mapping.format import Column, Dates
from hki_ml.mapping.hints import closest
from hki_ml.mapping.leads import FACT, PROTECTED, PUBLISHED, TEACHES, LeadMapping
from hki_ml.protected import VALUES, why_protected

ORDER_STARTS = datetime(2000, 1, 1, tzinfo=UTC)
EVENT_TYPE, EVENT_KEY = "event_type", "event_key"
LATEST_ORDER = datetime(9000, 1, 1, tzinfo=UTC)


def joined(path: Path, mapping: LeadMapping) -> dict[str, pl.DataFrame]:
    """Return the files that the mapping joins, one row a key, by their name.

    Raises
    ------
    MappingError
        If a file or a column of it is missing.
    """
    found = {}
    for join in mapping.join:
        beside = path.parent / join.file
        if not beside.exists():
            raise MappingError(
                f"join: expected the file {join.file!r} beside {path.name}, got none"
            )
        rows = open_rows(beside, mapping.file)
        missing = [name for name in (join.on, *join.columns) if name not in rows.columns]
        if missing:
            raise MappingError(
                f"join: {join.file} has no column {missing[0]!r}{closest(missing[0], rows.columns)}"
            )
        table = pl.concat(list(rows.batches([join.on, *join.columns])))
        found[join.file] = table.unique(join.on, keep="first", maintain_order=True)
    return found


def beside(
    batch: pl.DataFrame, mapping: LeadMapping, tables: AnyMapping[str, pl.DataFrame]
) -> pl.DataFrame:
    """Return the batch with the joined files' columns."""
    for join in mapping.join:
        table = tables[join.file]
        keyed = table.with_columns(pl.col(join.on).cast(batch.schema[join.on]))
        batch = batch.join(keyed, on=join.on, how="left", maintain_order="left")
    return batch


def apply_leads(
    rows: pl.DataFrame, mapping: LeadMapping, *, as_of: datetime, first_row: int = 1
) -> Mapped:
    """Return what the mapping makes of these rows; each row ends in exactly one of the three.

    ``accepted`` has a row an event: ``row_number``, ``event_type``, ``lead_id``, ``occurred_at`` (UTC),
    ``event_key``, and for ``lead.created`` its ``property_id``, ``lead_source``, ``asking_price_usd``, the
    ``fact_…`` and ``protected_…`` columns.

    Parameters
    ----------
    as_of
        The present, aware; what occurred later is refused.
    first_row
        The number of the first row in its file.
    """
    numbered = rows.with_row_index(ROW_NUMBER, offset=first_row)
    kept = numbered
    for condition in mapping.filters:
        kept = kept.filter(passes(kept, condition))
    kept = _since(kept, mapping)
    kind = _event_types(kept, mapping)
    kept, kind = kept.filter(kind.is_not_null()), kind.filter(kind.is_not_null())
    fields = pl.DataFrame([s.rename(name) for name, s in _fields(kept, mapping, kind).items()])
    judged = checks.judge(fields, _checks(mapping, fields, as_of))
    shown = pl.selectors.starts_with("raw_", "said_", "ended_") | pl.selectors.by_name(
        "reason", "detail"
    )
    good = judged.filter(pl.col("reason").is_null())
    events = pl.concat([good.drop(shown), *_ended(good, mapping)], how="diagonal").sort(
        ROW_NUMBER, maintain_order=True
    )
    refused = judged.filter(pl.col("reason").is_not_null()).select(ROW_NUMBER, "reason", "detail")
    return Mapped(events, refused, rows.height, rows.height - kept.height)


def _since(rows: pl.DataFrame, mapping: LeadMapping) -> pl.DataFrame:
    """Return the rows whose leads came late enough; undated ones stay, to be refused with their reason."""
    created = mapping.created
    if created is None or created.since is None:
        return rows
    _, moment = _moment(rows, created, mapping.time_zone)
    day = moment.dt.convert_time_zone(mapping.time_zone).dt.date()
    return rows.filter((day >= created.since).fill_null(value=True))


def _event_types(rows: pl.DataFrame, mapping: LeadMapping) -> pl.Series:
    if mapping.activity is None:
        return pl.repeat("lead.created", rows.height, dtype=pl.String, eager=True)
    said = parse.category(rows, Column(columns=mapping.activity.columns))
    return said.replace_strict(mapping.activity.events, default=None, return_dtype=pl.String)


def _fields(rows: pl.DataFrame, mapping: LeadMapping, kind: pl.Series) -> dict[str, pl.Series]:
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, rows.height)
    ids = mapping.id
    fields = {
        ROW_NUMBER: rows[ROW_NUMBER].cast(pl.Int64),
        EVENT_TYPE: kind,
        "lead_id": parse.joined_id(rows, ids.lead or (ROW_NUMBER,)),
        "property_id": parse.joined_id(rows, ids.property) if ids.property else nothing,
        EVENT_KEY: parse.joined_id(rows, ids.event) if ids.event else nothing,
        **_created(rows, mapping),
    }
    for at in range(len(mapping.ends)):
        fields[f"ended_{at}"], fields[f"said_ended_{at}"] = _end(rows, mapping, at)
    source = mapping.lead_source
    fields["lead_source"] = nothing if source is None else parse.category(rows, source)
    if mapping.asking_price is not None:
        asked = parse.number(rows, Column(column=mapping.asking_price.column))
        price = asked * mapping.asking_price.factor
        fields["asking_price_usd"] = price.set((price <= 0) | ~price.is_finite(), None)
    for name, column in mapping.facts.items():
        fields |= _fact(rows, name, column)
    for name, column in mapping.protected.items():
        fields[PROTECTED + name] = parse.category(rows, column)
    if mapping.published is not None:
        fields[TEACHES] = passes(rows, mapping.published.teaches)
        for name, column in mapping.published.features.items():
            fields[PUBLISHED + name] = parse.number(rows, column)
    return fields


def _fact(rows: pl.DataFrame, name: str, column: Column) -> dict[str, pl.Series]:
    if column.optional and not set(column.sources) <= set(rows.columns):
        return {FACT + name: pl.Series([None], dtype=pl.String).new_from_index(0, rows.height)}
    if column.kind == "category":
        return {FACT + name: parse.category(rows, column)}
    return {
        FACT + name: parse.number(rows, column),
        f"said_{FACT}{name}": parse.present(rows, column),
    }


def _created(rows: pl.DataFrame, mapping: LeadMapping) -> dict[str, pl.Series]:
    created = mapping.created
    if created is not None and created.order is None:
        raw, moment = _moment(rows, created, mapping.time_zone)
        return {"raw_date": raw, "occurred_at": moment}
    # Without dates rows stand minutes apart: in the order of a column, or of the file.
    name = ROW_NUMBER if created is None or created.order is None else created.order
    apart = 1.0 if created is None else created.minutes_apart
    order = parse.number(rows, Column(column=name))
    start = pl.Series([ORDER_STARTS]).cast(pl.Datetime("us", "UTC"))
    minutes = (order * apart * 60_000_000).cast(pl.Int64).cast(pl.Duration("us"))
    moments = start.new_from_index(0, rows.height) + minutes
    return {"raw_date": order.cast(pl.String), "occurred_at": moments}


def _moment(rows: pl.DataFrame, dates: Dates, zone: str) -> tuple[pl.Series, pl.Series]:
    if dates.constant:
        raw = pl.repeat(dates.constant, rows.height, dtype=pl.String, eager=True)
        return raw, parse.moment(raw, dates.formats, zone)
    if dates.year:
        month = (
            parse.text(rows, dates.month)
            if dates.month
            else pl.repeat("1", rows.height, eager=True)
        )
        raw = parse.text(rows, dates.year) + "-" + month
        return raw, parse.moment(raw, ("%Y-%m", "%Y-%b", "%Y-%B"), zone)
    values = rows[dates.column or ""]
    raw = values if values.dtype.is_temporal() else parse.text(rows, dates.column or "")
    return raw.cast(pl.String, strict=False), parse.moment(raw, dates.formats, zone)


def _end(rows: pl.DataFrame, mapping: LeadMapping, at: int) -> tuple[pl.Series, pl.Series]:
    """Return when each row's lead ended this way (null: unknown), and whether the file says it did."""
    end = mapping.ends[at]
    holds = pl.repeat(value=True, n=rows.height, dtype=pl.Boolean, eager=True)
    for condition in end.when:
        holds &= passes(rows, condition)
    if end.at is None:
        moment = _created(rows, mapping)["occurred_at"]
        raw = moment
    else:
        raw, moment = _moment(rows, end.at, mapping.time_zone)
    if not end.when:
        holds = raw.is_not_null()
    return moment.set(~holds, None), holds


def _ended(good: pl.DataFrame, mapping: LeadMapping) -> list[pl.DataFrame]:
    """Return the ends among good rows, as events."""
    return [
        good.filter(pl.col(f"ended_{at}").is_not_null()).select(
            ROW_NUMBER,
            "lead_id",
            EVENT_KEY,
            pl.lit(f"lead.{end.outcome}").alias(EVENT_TYPE),
            pl.col(f"ended_{at}").alias("occurred_at"),
        )
        for at, end in enumerate(mapping.ends)
    ]


def _checks(mapping: LeadMapping, frame: pl.DataFrame, as_of: datetime) -> list[checks.Check]:
    wanted = checks.identity("lead_id")
    wanted += checks.date(as_of if mapping.has_dates else LATEST_ORDER)
    for at, end in enumerate(mapping.ends):
        if end.at is None:
            continue
        moment = pl.col(f"ended_{at}")
        wanted += [
            checks.Check(
                "end_undated", moment.is_null() & pl.col(f"said_ended_{at}"),
                pl.lit(f"expected when it was {end.outcome}, got no date that parses"),
            ),
            checks.Check(
                "ended_before_created", moment < pl.col("occurred_at"),
                pl.format("expected an end after {}, got {}", pl.col("occurred_at"), moment),
            ),
            checks.Check(
                "end_in_future", moment > pl.lit(as_of),
                pl.format("expected an end by now, got {}", moment),
            ),
        ]  # fmt: skip
    for name, column in mapping.facts.items():
        if column.kind == "category":
            wanted += [*checks.label(FACT + name), _unprotected(FACT + name)]
        elif f"said_{FACT}{name}" in frame.columns:
            wanted += checks.number(FACT + name)
    return wanted


_SAID = sorted({value for values in VALUES.values() for value in values})


def _unprotected(field: str) -> checks.Check:
    value = pl.col(field)
    barred = [v for v in _SAID if why_protected(field.removeprefix(FACT), v)]
    return checks.Check(
        "protected_fact",
        value.str.to_lowercase().is_in(barred),
        pl.format(field + " says {}, a protected attribute", value),
    )
