"""What was known of each investor at asked moments: one row an investor and moment, pure in the moment.

An event counts from when it was received: what arrives late changes no earlier row. Nothing in a row moves
with the clock; see ``learning.investor_pool``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from hki_ml.tables import INVESTOR_STATE, TIME

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

MOST_MOMENTS = 200  # offers of one investor, the latest
SILENT, DECLINED, POSITIVE, BOUGHT = range(4)
PRIOR_N = 10.0  # offers (answers) of the usual investor that each begins with
KINDS = {
    "investor.registered": "registered",
    "investor.criteria_set": "criteria",
    "investor.deleted": "deleted",
}
NEVER = np.iinfo(np.int64).max
_FACTS = ("area", "property_type", "price_usd", "latitude", "longitude")


@dataclass(frozen=True, slots=True)
class Shown:
    """All offers, by when they were known; arrays of shape ``(n,)``, times in microseconds since 1970.

    What never came has the time ``NEVER``.
    """

    investor: NDArray[np.object_]
    deal: IntArray
    shown_us: IntArray
    shown_known_us: IntArray
    responded_known_us: IntArray
    positive_us: IntArray
    positive_known_us: IntArray
    bought_us: IntArray
    bought_known_us: IntArray

    @classmethod
    def of(cls, offers: pa.Table, deals: pa.Table) -> Shown:
        """Return the rows of table ``deal_offers`` with their places in table ``deals``."""
        place = pc.index_in(
            offers["deal_id"].combine_chunks(), value_set=deals["deal_id"].combine_chunks()
        )
        names = (
            "shown_at", "shown_known_at", "responded_known_at", "positive_at", "positive_known_at",
            "bought_at", "bought_known_at",
        )  # fmt: skip
        times = [_us(offers[name]) for name in names]
        investor = np.asarray(offers["investor_id"].to_pylist(), object)
        deal = place.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(investor, deal, *times)

    def take(self, rows: IntArray) -> Shown:
        """Return these of the offers."""
        return Shown(*(getattr(self, name)[rows] for name in Shown.__dataclass_fields__))


def _us(column: pa.ChunkedArray) -> IntArray:
    whole = pc.fill_null(pc.cast(pc.cast(column, TIME), pa.int64()), NEVER)
    return np.asarray(whole.to_numpy(), np.int64)


def known_investors(events: pa.Table) -> dict[str, dict[str, list[Any]]]:
    """Return what each investor said of itself, by when it was received: ``KINDS`` by their short names.

    Each holds ``(received_us, occurred_us, event_id, properties)``, in order.
    """
    found: dict[str, dict[str, list[Any]]] = {}
    wanted = events.filter(pc.is_in(events["event_type"], pa.array(list(KINDS))))
    received, occurred = _us(wanted["received_at"]), _us(wanted["occurred_at"])
    rows = zip(
        wanted["entity_id"].to_pylist(), wanted["event_type"].to_pylist(), received.tolist(),
        occurred.tolist(), wanted["event_id"].to_pylist(), wanted["properties_json"].to_pylist(),
        strict=True,
    )  # fmt: skip
    for investor, kind, *said in rows:
        of_one = found.setdefault(investor, {short: [] for short in KINDS.values()})
        of_one[KINDS[kind]].append(tuple(said))
    for of_one in found.values():
        for said in of_one.values():
            said.sort()
    return found


def investor_moments(
    who: dict[str, dict[str, list[Any]]], *, until_us: int
) -> list[tuple[str, int]]:
    """Return the moments to keep: each change of what an investor said, and the present.

    In time order; a moment at ``until_us`` stands for each investor that was known by then.
    """
    rows = set()
    for investor, of_one in who.items():
        times = [said[0] for kind in of_one.values() for said in kind if said[0] <= until_us]
        if of_one["registered"] and min(times, default=NEVER) <= until_us:
            rows |= {(investor, at) for at in times}
            rows.add((investor, until_us))
    return sorted(rows, key=lambda row: (row[1], row[0]))


def investor_state(
    moments: list[tuple[str, int]],
    who: dict[str, dict[str, list[Any]]],
    shown: Shown,
    deals: pa.Table,
) -> pa.Table:
    """Return a row of ``tables.INVESTOR_STATE`` for each asked investor and moment (microseconds).

    Investors that are not registered at the moment are left out.
    """
    facts = {name: deals[name].to_pylist() for name in _FACTS}
    rates = _Rates.of(shown, facts["price_usd"])
    order = np.lexsort((shown.deal, shown.shown_known_us, shown.investor.astype(str)))
    mine = shown.take(order)
    names = mine.investor.astype(str)
    rows = []
    for investor, at in moments:
        said = _said(who.get(investor), at)
        if said is None:
            continue
        begin = int(np.searchsorted(names, investor, side="left"))
        end = int(np.searchsorted(names, investor, side="right"))
        span = mine.take(np.arange(begin, end))
        span = span.take(np.flatnonzero(span.shown_known_us <= at))
        rows.append({
            "investor_id": investor, "event_timestamp": at, "created": at, **said,
            **_counts(span, at, facts["price_usd"], rates, said["last_said_us"]),
            "investor_moments_json": _moments_json(span, at, facts),
        })  # fmt: skip
    columns = {f.name: [row[f.name] for row in rows] for f in INVESTOR_STATE}
    typed = {
        f.name: pa.array(columns[f.name], pa.int64() if f.type == TIME else f.type).cast(f.type)
        for f in INVESTOR_STATE
    }
    return pa.table(typed, schema=INVESTOR_STATE)


def _said(of_one: dict[str, list[Any]] | None, at: int) -> dict[str, Any] | None:
    """Return what an investor had said by a moment, or ``None`` if it was not registered then.

    Who was deleted is as if it had never registered, until it does again.
    """
    if of_one is None:
        return None
    left = max((said[0] for said in of_one["deleted"] if said[0] <= at), default=-1)
    came, criteria = (
        [said for said in of_one[name] if left < said[0] <= at]
        for name in ("registered", "criteria")
    )
    if not came:
        return None
    first = orjson.loads(came[0][3])
    latest = orjson.loads(criteria[-1][3]) if criteria else {}
    facts = first.get("facts")
    return {
        "investor_kind": first.get("kind"),
        "investor_facts_json": None if facts is None else orjson.dumps(facts).decode(),
        "investor_criteria_json": criteria[-1][3] if criteria else None,
        "investor_opted_out": bool(latest.get("optedOut", False)),
        "investor_registered_at_us": came[0][1],
        "last_said_us": max(came[0][1], *(said[1] for said in criteria), came[0][1]),
    }


def _counts(
    span: Shown, at: int, price: list[float | None], rates: _Rates, last_said: int
) -> dict[str, Any]:
    positive = span.positive_known_us <= at
    bought = span.bought_known_us <= at
    offers, positives, buys = len(span.deal), int(positive.sum()), int(bought.sum())
    usual_response, usual_close, usual_size = rates.before(at)
    sizes = [price[d] for d in span.deal[bought] if d >= 0 and price[d] is not None]
    size = None
    if usual_size is not None:
        size = float((sum(s for s in sizes if s) + 3.0 * usual_size) / (len(sizes) + 3.0))
    times = [last_said, *span.positive_us[positive].tolist(), *span.bought_us[bought].tolist()]
    return {
        "investor_offers_count": float(offers),
        "investor_positives_count": float(positives),
        "investor_buys_count": float(buys),
        "investor_average_deal_size": size,
        "investor_response_rate": (positives + PRIOR_N * usual_response) / (offers + PRIOR_N),
        "investor_close_rate": (buys + PRIOR_N * usual_close) / (positives + PRIOR_N),
        "investor_last_seen_us": max(times),
    }


@dataclass(frozen=True, slots=True)
class _Rates:
    """How the usual investor does: counts by when they were known."""

    offered: IntArray
    positive: IntArray
    bought: IntArray
    spent: FloatArray

    @classmethod
    def of(cls, shown: Shown, price: list[float | None]) -> _Rates:
        order = np.argsort(shown.bought_known_us, kind="stable")
        paid = np.array([price[d] or 0.0 if d >= 0 else 0.0 for d in shown.deal[order]], np.float64)
        return cls(
            np.sort(shown.shown_known_us),
            np.sort(shown.positive_known_us),
            shown.bought_known_us[order],
            np.cumsum(paid),
        )

    def before(self, at: int) -> tuple[float, float, float | None]:
        """Return the response rate, the close rate and the mean size of a deal as known at a moment."""
        offers, positives, buys = (
            int(np.searchsorted(times, at, side="right"))
            for times in (self.offered, self.positive, self.bought)
        )
        mean = float(self.spent[buys - 1] / buys) if buys else None
        return (positives + 1.0) / (offers + 5.0), (buys + 1.0) / (positives + 5.0), mean


def _moments_json(span: Shown, at: int, facts: dict[str, list[Any]]) -> str | None:
    """Return the latest offers, earliest first, as columns: see ``investor_pool.COLUMNS``."""
    if not len(span.deal):
        return None
    last = span.take(np.arange(max(0, len(span.deal) - MOST_MOMENTS), len(span.deal)))
    outcome = np.where(last.responded_known_us <= at, DECLINED, SILENT)
    outcome = np.where(last.positive_known_us <= at, POSITIVE, outcome)
    outcome = np.where(last.bought_known_us <= at, BOUGHT, outcome)
    when = np.where(outcome == BOUGHT, last.bought_us, last.positive_us)
    when = np.where(outcome >= POSITIVE, when, last.shown_us)
    of_deal = [[None if d < 0 else facts[name][d] for d in last.deal] for name in _FACTS]
    columns = [
        (last.shown_known_us / 1e6).tolist(),
        outcome.tolist(),
        (when / 1e6).tolist(),
        *of_deal,
    ]
    return orjson.dumps(columns).decode()
