"""The mapping of leads: a table with a row a lead, or a log with a row an event; see ``docs/mapping.md``."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from typing import Annotated, Any, Literal

import msgspec

from hki_ml.errors import MappingError
from hki_ml.learning.lead_clock import KINDS
from hki_ml.mapping.format import (
    EXTRA_NAME,
    Closed,
    Column,
    Dates,
    Filter,
    Layout,
    Price,
    check_column,
)
from hki_ml.mapping.hints import closest
from hki_ml.protected import why_protected

FACT = "fact_"
PROTECTED = "protected_"
PUBLISHED = "published_"
TEACHES = PUBLISHED + "teaches"
EVENTS: tuple[str, ...] = ("lead.created", *KINDS, "lead.closed", "lead.lost")


class LeadIds(Closed, frozen=True):
    """Which columns tell one lead, its home and, in a log, one event from another.

    Without columns for the lead each row is one of its own; only where rows have no dates.
    """

    lead: tuple[str, ...]
    property: tuple[str, ...] = ()
    event: tuple[str, ...] = ()


class Moment(Dates, frozen=True):
    """When it was: as in ``[date]``, or the column whose order stands for time.

    Leads that came before ``since`` (a day of the mapping's zone) are left out.

    ``minutes_apart`` is how far apart rows in order are taken to stand: what is known of how long the
    file's time was belongs there, for seasons and memories hang on it.
    """

    order: str | None = None
    minutes_apart: Annotated[float, msgspec.Meta(gt=0, le=525_600)] = 1.0
    since: date | None = None


class End(Closed, frozen=True):
    """How a row says that its lead closed or was lost, and when.

    Without ``when`` a row says so by having a date; without ``at`` it was known at once.
    """

    outcome: Literal["closed", "lost"]
    when: tuple[Filter, ...] = ()
    at: Dates | None = None


class Join(Closed, frozen=True):
    """Columns of another file beside this one, by a column that both have."""

    file: str
    on: str
    columns: tuple[str, ...]


class Activity(Closed, frozen=True):
    """Which event each row of a log is; rows of other activities are passed over."""

    columns: tuple[str, ...]
    events: dict[str, str]


class Published(Closed, frozen=True):
    """Somebody's published model of the file's cases: its features, and the rows that taught it.

    It is refitted beside ours in a backtest, and our model on the same rows. Neither its features nor
    its split reach an event or one of our models.
    """

    name: str
    teaches: Filter
    features: dict[str, Column]


class LeadMapping(Closed, frozen=True, kw_only=True):
    """One mapping of leads, checked in itself; it meets its file in ``apply_leads``.

    ``followed_until`` is the day until which every end would stand in the file, where that is later than
    its last event.
    """

    source: str
    event: Literal["lead", "lead.log"]
    time_zone: str = "UTC"
    description: str = ""
    horizon_days: Annotated[float, msgspec.Meta(ge=0, le=3650)] = 90.0
    followed_until: date | None = None
    file: Layout = Layout()
    id: LeadIds
    created: Moment | None = None
    activity: Activity | None = None
    lead_source: Column | None = None
    asking_price: Price | None = None
    ends: tuple[End, ...] = ()
    facts: dict[str, Column] = msgspec.field(default_factory=dict)
    protected: dict[str, Column] = msgspec.field(default_factory=dict)
    published: Published | None = None
    join: tuple[Join, ...] = ()
    filters: tuple[Filter, ...] = ()

    @property
    def is_log(self) -> bool:
        """Whether a row is an event rather than a lead."""
        return self.event == "lead.log"

    @property
    def has_dates(self) -> bool:
        """Whether rows have moments of their own: an event needs one."""
        return self.created is not None and self.created.order is None

    def fields(self) -> dict[str, Column]:
        """Return all facts, with their prefix, and where each comes from."""
        return {FACT + name: column for name, column in self.facts.items()}

    def columns(self, *, required: bool = False) -> tuple[str, ...]:
        """Return the columns that the mapping reads, each once; or only those it cannot miss."""
        names = [*self.id.lead, *self.id.property, *self.id.event]
        for dates in (self.created, *(end.at for end in self.ends)):
            if dates is not None:
                names += [n for n in (dates.column, dates.year, dates.month) if n]
        if self.created is not None and self.created.order:
            names.append(self.created.order)
        names += self.activity.columns if self.activity else ()
        names += [c.column for end in self.ends for c in end.when]
        names += [c.column for c in self.filters]
        names += [self.asking_price.column] if self.asking_price else []
        sources = [*self.facts.values(), *self.protected.values()]
        sources += [self.lead_source] if self.lead_source else []
        if self.published is not None:
            names.append(self.published.teaches.column)
            sources += list(self.published.features.values())
        for column in sources:
            names += [] if required and column.optional else column.sources
        return tuple(dict.fromkeys(names))


def parse_lead_mapping(raw: dict[str, Any]) -> LeadMapping:
    """Return the mapping of leads that this TOML says.

    Raises
    ------
    MappingError
        With the key, what was expected there and the closest known name; also if a fact names a
        protected attribute outside ``[protected]``.
    """
    for table in ("facts", "protected"):
        if isinstance(raw.get(table), dict):
            raw[table] = {
                k: {"column": v} if isinstance(v, str) else v for k, v in raw[table].items()
            }
    features = raw["published"].get("features") if isinstance(raw.get("published"), dict) else None
    if isinstance(features, dict):
        raw["published"]["features"] = {
            k: {"column": v} if isinstance(v, str) else v for k, v in features.items()
        }
    if isinstance(raw.get("lead_source"), str):
        raw["lead_source"] = {"column": raw["lead_source"]}
    try:
        mapping = msgspec.convert(raw, LeadMapping)
    except msgspec.ValidationError as error:
        raise MappingError(_explain(str(error))) from error
    _check(mapping)
    return mapping


def _explain(message: str) -> str:
    unknown = re.search(r"unknown field `([^`]*)`", message)
    if not unknown:
        return message
    known = [field.encode_name for field in msgspec.structs.fields(LeadMapping)]
    return f"{message}{closest(unknown.group(1), known)}; at the top are known {', '.join(known)}"


def _check(mapping: LeadMapping) -> None:
    _check_facts(mapping)
    if not mapping.id.lead and mapping.has_dates:
        raise MappingError(
            "expected at least one column in id.lead: rows of several files would mix"
        )
    if mapping.is_log != (mapping.activity is not None):
        raise MappingError("expected [activity] in a mapping of lead.log, and only there")
    if mapping.is_log and not mapping.has_dates:
        raise MappingError("a lead.log needs [created] with the column of each event's moment")
    if (
        mapping.created is not None
        and mapping.created.since
        and (mapping.is_log or not mapping.has_dates)
    ):
        raise MappingError(
            "created.since: expected a row a lead with dates; filter the file instead"
        )
    for said, event in (mapping.activity.events if mapping.activity else {}).items():
        if event not in EVENTS:
            raise MappingError(
                f"activity.events: {said!r}: unknown event {event!r}{closest(event, EVENTS)}; known are "
                f"{', '.join(EVENTS)}"
            )
    _check_ends(mapping)


def _check_ends(mapping: LeadMapping) -> None:
    for end in mapping.ends:
        if not end.when and end.at is None:
            raise MappingError(f"ends ({end.outcome}): expected when, at or both, got neither")
        if end.at is not None and not mapping.has_dates:
            raise MappingError(
                f"ends ({end.outcome}): a date of the end needs one of the beginning in [created]"
            )


def _check_facts(mapping: LeadMapping) -> None:
    for table, columns in (("facts", mapping.facts), ("protected", mapping.protected)):
        for name, column in columns.items():
            if not EXTRA_NAME.fullmatch(name):
                raise MappingError(
                    f"expected snake_case of at most 56 signs in [{table}], got {name!r}"
                )
            check_column(f"{table}.{name}", column)
            if column.over and (column.kind == "category" or not (column.column or column.sum)):
                raise MappingError(f"{table}.{name}.over: expected a number to divide")
    for name, column in mapping.facts.items():
        for spoken in (name, *column.sources):
            reason = why_protected(spoken)
            if reason is not None:
                raise MappingError(
                    f"facts.{name}: {reason}; no model may learn from it: leave it out, or name it in "
                    "[protected] for the fairness audit alone"
                )


def is_of_leads(text: str) -> bool:
    """Tell whether a mapping's text says that it is one of leads; broken TOML is not."""
    try:
        kind = tomllib.loads(text).get("event")
    except tomllib.TOMLDecodeError:
        return False
    return isinstance(kind, str) and (kind == "lead" or kind.startswith("lead."))
