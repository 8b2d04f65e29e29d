"""What was known of each lead at asked moments: one row a lead and moment, pure in the moment.

An event counts from when it was received, with the time at which it occurred: what arrives late changes
no earlier row. Nothing in a row moves with the clock; see ``learning.lead_clock``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled
from hki_ml.learning.lead_clock import KINDS
from hki_ml.tables import LEAD_STATE, LIENS, MARKET_TREND, PROPERTY_FACTS, PROPERTY_VALUE, TIME
from hki_ml.transforms.home_history import home_history
from hki_ml.transforms.liens import COLUMNS as LIEN_COLUMNS
from hki_ml.transforms.liens import with_liens
from hki_ml.transforms.source_quality import HORIZON_DAYS, CloseRates, source_quality

IntArray = NDArray[np.int64]

COLUMNS = ("event_type", "entity_id", "occurred_at", "received_at")
_TYPES: tuple[type[Any], ...] = (np.int32, np.int8, np.int64, np.int64)
EVENTS_AT_ONCE = 1_000_000
HOUR_US = 3_600 * 1_000_000
MOST_ACTIVITIES = 200  # of one lead, the latest: bounds a row that a robot could fill
MARKET_TTL_DAYS = 62  # as the view ``market_trend`` has it: two missed months are too old


@dataclass(frozen=True, slots=True)
class Activity:
    """The activities of leads, by lead and then by when they were received.

    Attributes
    ----------
    start
        Where each lead's activities begin, in the order of the leads, shape ``(leads + 1,)``.
    kind
        Place in ``lead_clock.KINDS``.
    occurred_us, received_us
        Microseconds since 1970.
    """

    start: IntArray
    kind: NDArray[np.int8]
    occurred_us: IntArray
    received_us: IntArray

    @classmethod
    def of(cls, batches: Iterable[pa.RecordBatch], lead_ids: pa.Array) -> Activity:
        """Return the activities among batches of events (at least ``COLUMNS``) of known leads."""
        parts = [_compact(batch, lead_ids) for batch in _larger(batches)]
        # A column at a time, and the parts let go: ten million activities are a quarter of a gigabyte.
        columns = [
            np.concatenate([np.empty(0, kind), *(p.pop(0) for p in parts)]) for kind in _TYPES
        ]
        lead, kind, occurred, received = columns
        # By kind where all else is equal: what is stored in another order is the same.
        order = np.lexsort((kind, occurred, received, lead))
        start = np.searchsorted(lead[order], np.arange(len(lead_ids) + 1))
        return cls(start, kind[order], occurred[order], received[order])


def _larger(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the activities among batches, a million or so at once: leads are looked up anew in each."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        narrow = batch.select(list(COLUMNS))
        held.append(narrow.filter(pc.is_in(narrow.column("event_type"), pa.array(KINDS))))
        if sum(each.num_rows for each in held) >= EVENTS_AT_ONCE:
            yield pa.Table.from_batches(held).combine_chunks().to_batches()[0]
            held = []
    if held:
        yield from pa.Table.from_batches(held).combine_chunks().to_batches()


def _compact(batch: pa.RecordBatch, lead_ids: pa.Array) -> list[NDArray[Any]]:
    kind = pc.index_in(batch.column("event_type"), value_set=pa.array(KINDS))
    batch = pa.RecordBatch.from_arrays(
        [kind, *(batch.column(name) for name in COLUMNS[1:])], names=list(COLUMNS)
    )
    lead = pc.index_in(batch.column("entity_id"), value_set=lead_ids)
    batch, lead = batch.filter(pc.is_valid(lead)), lead.drop_null()
    times = [pc.cast(batch.column(name), pa.int64()) for name in COLUMNS[2:]]
    columns = (lead, batch.column("event_type"), *times)
    return [
        column.to_numpy(zero_copy_only=False).astype(kind)
        for column, kind in zip(columns, _TYPES, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The tables that speak of a lead's home and its market; each may be empty."""

    property_facts: pa.Table = field(default_factory=PROPERTY_FACTS.empty_table)
    property_value: pa.Table = field(default_factory=PROPERTY_VALUE.empty_table)
    market_trend: pa.Table = field(default_factory=MARKET_TREND.empty_table)
    liens: pa.Table = field(default_factory=LIENS.empty_table)


def lead_state(
    moments: pa.Table,
    leads: pa.Table,
    activity: Activity,
    around: Surroundings | None = None,
    *,
    rates: CloseRates | None = None,
) -> pa.Table:
    """Return a row of ``tables.LEAD_STATE`` for each asked lead and moment, in order.

    Parameters
    ----------
    moments
        ``lead_id`` and ``event_timestamp``; leads that are not known at the moment are left out.
    leads
        Table ``leads``, in the order in which ``activity`` was made.
    rates
        Of these leads; who asks for many moments in parts makes them once.
    """
    at = pc.index_in(
        moments["lead_id"].combine_chunks(), value_set=leads["lead_id"].combine_chunks()
    )
    asked = pc.cast(pc.cast(moments["event_timestamp"], TIME), pa.int64()).to_numpy()
    lead = at.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    first_known = pc.cast(leads["created_known_at"], pa.int64()).to_numpy()
    is_known = (lead >= 0) & (first_known[lead] <= asked)
    lead, asked = lead[is_known], asked[is_known]
    rows = leads.take(pa.array(lead))
    quality = source_quality(
        rates or CloseRates.of(leads, horizon_days=HORIZON_DAYS),
        rows["lead_source"].to_pylist(),
        asked,
    )
    created = pc.cast(rows["created_at"], pa.int64())
    stamp = pa.array(asked).cast(TIME)
    ended = pc.cast(rows["ended_known_at"], pa.int64())
    outcome = pc.if_else(pc.less_equal(ended, pa.array(asked)), rows["outcome"], None)
    state = {
        "lead_id": rows["lead_id"],
        "event_timestamp": stamp,
        "created": stamp,
        "lead_created_at_us": created,
        "lead_source": rows["lead_source"],
        "lead_property_id": rows["property_id"],
        "lead_asking_price_usd": rows["asking_price_usd"],
        "lead_facts_json": rows["facts_json"],
        "lead_moments_json": _moments_json(activity, lead, asked),
        "lead_outcome": outcome,
        "lead_source_quality": pa.array(quality.rate, from_pandas=True),
        "lead_source_quality_n": quality.n,
        "lead_close_rate": pa.array(quality.overall, from_pandas=True),
        "lead_close_rate_n": quality.overall_n,
        "market_leads_count_1h": _came_before(first_known, HOUR_US)[lead],
        "market_leads_count_1d": _came_before(first_known, 24 * HOUR_US)[lead],
        **home_history(leads, lead, asked),
    }
    return _beside(pa.table(state), around or Surroundings())


def _came_before(known_us: IntArray, span_us: int) -> NDArray[np.float64]:
    """Return how many leads were known within a span strictly before each was: who waits with it."""
    in_order = np.sort(known_us)
    until = np.searchsorted(in_order, known_us)
    return (until - np.searchsorted(in_order, known_us - span_us)).astype(np.float64)


def _moments_json(activity: Activity, lead: IntArray, asked: IntArray) -> pa.Array:
    """Return each row's activities as ``[[kinds], [seconds since 1970]]``, earliest first."""
    until = _received_until(activity.start, activity.received_us, lead, asked)
    begin = activity.start[lead]
    is_told = until > begin
    # Moments between which nothing came in have one text: the last of a lead's activities names it.
    ends, first, place = np.unique(until[is_told], return_index=True, return_inverse=True)
    texts = [
        _told(activity, start, end)
        for start, end in zip(begin[is_told][first].tolist(), ends.tolist(), strict=True)
    ]
    places = np.zeros(len(lead), np.int64)
    places[is_told] = place
    return pa.array(texts, pa.string()).take(pa.array(places, mask=~is_told))


@compiled
def _received_until(
    start: IntArray, received_us: IntArray, lead: IntArray, asked: IntArray
) -> IntArray:
    """Return where the activities end that each lead's moment knows of, shape as asked."""
    out = np.empty(len(lead), np.int64)
    for row in range(len(lead)):
        low, high = start[lead[row]], start[lead[row] + 1]
        while low < high:
            middle = (low + high) // 2
            if received_us[middle] <= asked[row]:
                low = middle + 1
            else:
                high = middle
        out[row] = low
    return out


def _told(activity: Activity, begin: int, end: int) -> str:
    """Return the text of a lead's activities in this span."""
    occurred, kind = activity.occurred_us[begin:end], activity.kind[begin:end]
    order = np.lexsort((kind, occurred))[-MOST_ACTIVITIES:]
    return orjson.dumps([kind[order].tolist(), (occurred[order] / 1e6).tolist()]).decode()


def _beside(state: pa.Table, around: Surroundings) -> pa.Table:
    """Return the state with what was known of its home and its market at the moment."""

    def fresh(name: str) -> str:
        old = f"valued.event_timestamp - INTERVAL {MARKET_TTL_DAYS} DAY"
        return f"CASE WHEN market.event_timestamp >= {old} THEN market.{name} END AS {name}"

    asked = state.select(["lead_id", "lead_property_id", "event_timestamp"])
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("state", asked.append_column("row", pa.array(range(state.num_rows))))
        connection.register("facts", around.property_facts)
        connection.register("worth", around.property_value)
        connection.register("market", around.market_trend)
        connection.register("liens", around.liens)
        connection.register("claims", with_liens(connection))
        found = connection.execute(
            f"""
            WITH homes AS (
                SELECT state.*, facts.area AS lead_area, facts.living_sqft AS property_living_sqft,
                    facts.year_built AS property_year_built
                FROM state ASOF LEFT JOIN facts ON lead_property_id = facts.property_id
                    AND state.event_timestamp >= facts.event_timestamp
            ), valued AS (
                SELECT homes.*, property_value_estimate, property_value_fsd,
                    comparable_properties_count
                FROM homes ASOF LEFT JOIN worth ON lead_property_id = worth.property_id
                    AND homes.event_timestamp >= worth.event_timestamp
            )
            SELECT valued.*, {", ".join(LIEN_COLUMNS)}, {fresh("neighborhood_appreciation_rate")},
                {fresh("market_price_per_sqft_usd")}, {fresh("market_sales_count_90d")}
            FROM valued ASOF LEFT JOIN market ON lead_area = market.area
                AND valued.event_timestamp >= market.event_timestamp
            LEFT JOIN claims ON valued.row = claims.row
            ORDER BY valued.row
            """  # noqa: S608 - nothing of a caller in it
        ).to_arrow_table()
    columns = [(state if name in state.schema.names else found)[name] for name in LEAD_STATE.names]
    return pa.table(columns, names=LEAD_STATE.names).cast(LEAD_STATE)
