"""The events: one frozen, versioned class a kind, and the one way to read and write them.

On the wire an event is one JSON object in camelCase. Kinds are told apart by ``eventType``; unknown
kinds, unknown fields and values out of range are refused, each with a reason that can be counted.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec
from msgspec import Meta

from hki_ml.errors import EventRejected

SCHEMA_VERSION = 1
CONTENT_SEPARATOR = "\x1f"
MAX_EVENT_BYTES = 65_536  # a sale with 100 extra facts takes about 4 kB

Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Label = Annotated[str, Meta(min_length=1, max_length=200)]
Instant = Annotated[datetime, Meta(tz=True)]
Money = Annotated[float, Meta(gt=0, le=10_000_000_000)]

Area = Annotated[float, Meta(ge=50, le=2_000_000)]
LotArea = Annotated[float, Meta(ge=0, le=500_000_000)]
Count = Annotated[float, Meta(ge=0, le=10_000)]
Year = Annotated[float, Meta(ge=1600, le=2200)]
Grade = Annotated[float, Meta(ge=-100, le=1_000)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
ExtraName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Extra = dict[ExtraName, float | Label]


class _Wire(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,  # none of them can be part of a cycle, and ten thousands live at once
):
    """How every struct here looks on the wire: camelCase, closed, defaults left out."""


class HomeFacts(_Wire, frozen=True):
    """What is known of a home: each fact may be missing; units are in the names.

    ``year_*`` are calendar years, ``*_grade`` ordinal grades of the source (higher is better),
    ``latitude`` and ``longitude`` WGS 84 degrees. ``extra`` holds any further fact, a number or a
    category, under a snake_case name.
    """

    area: Label | None = None
    property_type: Label | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    living_sqft: Area | None = None
    lot_sqft: LotArea | None = None
    bedrooms: Count | None = None
    bathrooms: Count | None = None
    stories: Count | None = None
    units: Count | None = None
    year_built: Year | None = None
    year_renovated: Year | None = None
    quality_grade: Grade | None = None
    condition_grade: Grade | None = None
    view_grade: Grade | None = None
    is_waterfront: bool | None = None
    extra: Extra | None = None


class SaleProperties(_Wire, frozen=True, kw_only=True):
    """A sale: its price and the home's facts at that time."""

    price_usd: Money
    facts: HomeFacts = HomeFacts()
    is_arms_length: bool = True
    list_price_usd: Money | None = None


class FactsProperties(_Wire, frozen=True):
    """The facts of a home from now on."""

    facts: HomeFacts


class ListingProperties(_Wire, frozen=True):
    """An asking price; never a feature of the valuation."""

    list_price_usd: Money


class Event(_Wire, frozen=True, kw_only=True, tag_field="eventType"):
    """The envelope that every event has.

    ``event_id`` is a UUID version 7 whose time part is ``occurred_at``; ``entity_id`` is the home (or
    later the lead, the investor); both times are UTC. ``received_at`` is when we first saw it.
    """

    event_id: UUID
    entity_id: Identifier
    occurred_at: Instant
    received_at: Instant
    source: Identifier
    schema_version: int = SCHEMA_VERSION
    TYPE: ClassVar[str]


class SaleRecorded(Event, frozen=True, kw_only=True, tag="sale.recorded"):
    """A home was sold; ``occurred_at`` is the day of the sale, ``entity_id`` the home."""

    TYPE: ClassVar[str] = "sale.recorded"
    properties: SaleProperties


class PropertyRecorded(Event, frozen=True, kw_only=True, tag="property.recorded"):
    """A home is known with these facts."""

    TYPE: ClassVar[str] = "property.recorded"
    properties: FactsProperties


class PropertyFactsChanged(Event, frozen=True, kw_only=True, tag="property.facts_changed"):
    """Some facts of a home changed; facts that are not named stay."""

    TYPE: ClassVar[str] = "property.facts_changed"
    properties: FactsProperties


class ListingPublished(Event, frozen=True, kw_only=True, tag="listing.published"):
    """A home was offered at an asking price."""

    TYPE: ClassVar[str] = "listing.published"
    properties: ListingProperties


AnyEvent = SaleRecorded | PropertyRecorded | PropertyFactsChanged | ListingPublished
KINDS: tuple[type[Event], ...] = (
    SaleRecorded,
    PropertyRecorded,
    PropertyFactsChanged,
    ListingPublished,
)

_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_encoder = msgspec.json.Encoder()


def encode(event: Event) -> bytes:
    """Return the event as one line of JSON, without a line end."""
    return _encoder.encode(event)


def decode(raw: bytes) -> AnyEvent:
    """Return the event that these bytes hold.

    Raises
    ------
    EventRejected
        With reason ``too_large``, ``malformed``, ``unknown_type``, ``unknown_version``,
        ``coordinates_at_zero``, ``occurred_after_received`` or ``invalid_value``.
    """
    if len(raw) > MAX_EVENT_BYTES:
        raise EventRejected(
            "too_large", f"expected at most {MAX_EVENT_BYTES} bytes, got {len(raw)}"
        )
    try:
        event = _decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise EventRejected(_reason(str(error)), str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EventRejected("malformed", f"expected one JSON object, got: {error}") from error
    _check(event)
    return event


def _reason(message: str) -> str:
    if "$.eventType" in message or "`eventType`" in message:
        return "unknown_type"
    return "invalid_value"


def _check(event: AnyEvent) -> None:
    if event.schema_version != SCHEMA_VERSION:
        raise EventRejected(
            "unknown_version",
            f"expected schemaVersion {SCHEMA_VERSION}, got {event.schema_version}",
        )
    if event.occurred_at > event.received_at:
        raise EventRejected(
            "occurred_after_received",
            f"expected occurredAt at or before receivedAt, got {event.occurred_at} and {event.received_at}",
        )
    facts = getattr(event.properties, "facts", None)
    if facts is not None and facts.latitude == 0 and facts.longitude == 0:
        raise EventRejected("coordinates_at_zero", "expected real coordinates or none, got 0, 0")


def event_id(occurred_at: datetime, *content: str) -> UUID:
    """Return the UUID version 7 of an event: its time from the moment, the rest from the content.

    The same content gives the same id, so that what is sent twice is stored once.

    Examples
    --------
    >>> from datetime import UTC
    >>> str(event_id(datetime(2016, 7, 1, tzinfo=UTC), "sale", "home 1"))[:13]
    '0155a3c1-4400'
    """
    digest = hashlib.blake2b(CONTENT_SEPARATOR.join(content).encode(), digest_size=10).digest()
    milliseconds = math.floor(occurred_at.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    value = (milliseconds << 80) | int.from_bytes(digest)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def event_ids(milliseconds: Sequence[int], contents: Sequence[str]) -> list[str]:
    """Return what ``event_id`` returns, as text, for many events at once: a third of the time.

    Parameters
    ----------
    milliseconds
        When each occurred, since 1970 in UTC.
    contents
        The content of each, its parts joined by ``CONTENT_SEPARATOR``.
    """
    import numpy as np

    digests = b"".join(
        [hashlib.blake2b(content.encode(), digest_size=10).digest() for content in contents]
    )
    ids = np.empty((len(contents), 16), np.uint8)
    times = np.asarray(milliseconds, dtype=">i8").view(np.uint8).reshape(-1, 8)
    ids[:, :6] = times[:, 2:]
    ids[:, 6:] = np.frombuffer(digests, np.uint8).reshape(-1, 10)
    ids[:, 6] = (ids[:, 6] & 0x0F) | 0x70
    ids[:, 8] = (ids[:, 8] & 0x3F) | 0x80
    return uuid_texts(ids.tobytes())


def uuid_texts(raw: bytes) -> list[str]:
    """Return the text of UUIDs that stand one after the other, 16 bytes each.

    Examples
    --------
    >>> uuid_texts(bytes(range(16)))
    ['00010203-0405-0607-0809-0a0b0c0d0e0f']
    """
    import numpy as np

    digits = np.frombuffer(raw.hex().encode(), np.uint8).reshape(-1, 32)
    texts = np.full((len(digits), 36), ord("-"), np.uint8)
    for start, end, at in ((0, 8, 0), (8, 12, 9), (12, 16, 14), (16, 20, 19), (20, 32, 24)):
        texts[:, at : at + end - start] = digits[:, start:end]
    together = texts.tobytes().decode()
    return [together[i : i + 36] for i in range(0, len(together), 36)]


def to_builtins(struct: msgspec.Struct) -> dict[str, Any]:
    """Return a struct as plain JSON-able values under its wire names."""
    plain: dict[str, Any] = msgspec.to_builtins(struct)
    return plain
