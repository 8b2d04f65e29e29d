"""The events: one frozen, versioned class a kind, and the one way to read and write them.

On the wire an event is one JSON object in camelCase. Kinds are told apart by ``eventType``; unknown
kinds, unknown fields and values out of range are refused, each with a reason that can be counted.
"""

from __future__ import annotations

from typing import ClassVar, get_args
from uuid import UUID

import msgspec

from hki_ml.errors import EventRejected
from hki_ml.properties import (
    AmountProperties,
    AppointmentProperties,
    CriteriaProperties,
    DealProperties,
    DeletedProperties,
    FactsProperties,
    Identifier,
    Instant,
    InvestorProperties,
    LeadProperties,
    LienProperties,
    ListingProperties,
    LostProperties,
    PredictionProperties,
    ResponseProperties,
    SaleProperties,
    TouchProperties,
    VisitProperties,
    Wire,
    check_criteria,
    check_facts,
)

SCHEMA_VERSION = 1
MAX_EVENT_BYTES = 65_536  # a sale with 100 extra facts takes about 4 kB


class Event(Wire, frozen=True, kw_only=True, tag_field="eventType"):
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


class LienRecorded(Event, frozen=True, kw_only=True, tag="lien.recorded"):
    """Somebody has a claim on the home; ``entity_id`` is the home."""

    TYPE: ClassVar[str] = "lien.recorded"
    properties: LienProperties


class LeadCreated(Event, frozen=True, kw_only=True, tag="lead.created"):
    """A lead came in; ``entity_id`` is the lead in all events of this family."""

    TYPE: ClassVar[str] = "lead.created"
    properties: LeadProperties


class LeadContacted(Event, frozen=True, kw_only=True, tag="lead.contacted"):
    """We reached out to the lead."""

    TYPE: ClassVar[str] = "lead.contacted"
    properties: TouchProperties


class LeadReplied(Event, frozen=True, kw_only=True, tag="lead.replied"):
    """The lead answered or called: contact both ways."""

    TYPE: ClassVar[str] = "lead.replied"
    properties: TouchProperties


class LeadVisited(Event, frozen=True, kw_only=True, tag="lead.visited"):
    """The lead looked at our pages."""

    TYPE: ClassVar[str] = "lead.visited"
    properties: VisitProperties


class LeadAppointmentSet(Event, frozen=True, kw_only=True, tag="lead.appointment_set"):
    """An appointment was agreed on."""

    TYPE: ClassVar[str] = "lead.appointment_set"
    properties: AppointmentProperties


class LeadOfferMade(Event, frozen=True, kw_only=True, tag="lead.offer_made"):
    """We made an offer."""

    TYPE: ClassVar[str] = "lead.offer_made"
    properties: AmountProperties


class LeadContractSigned(Event, frozen=True, kw_only=True, tag="lead.contract_signed"):
    """A contract was signed."""

    TYPE: ClassVar[str] = "lead.contract_signed"
    properties: AmountProperties


class LeadClosed(Event, frozen=True, kw_only=True, tag="lead.closed"):
    """The deal closed: the lead ended well."""

    TYPE: ClassVar[str] = "lead.closed"
    properties: AmountProperties


class LeadLost(Event, frozen=True, kw_only=True, tag="lead.lost"):
    """The lead came to nothing."""

    TYPE: ClassVar[str] = "lead.lost"
    properties: LostProperties


class InvestorRegistered(Event, frozen=True, kw_only=True, tag="investor.registered"):
    """An investor is known; ``entity_id`` is the investor in all events of this family."""

    TYPE: ClassVar[str] = "investor.registered"
    properties: InvestorProperties


class InvestorCriteriaSet(Event, frozen=True, kw_only=True, tag="investor.criteria_set"):
    """An investor said what they buy; it replaces what they said before."""

    TYPE: ClassVar[str] = "investor.criteria_set"
    properties: CriteriaProperties


class InvestorDeleted(Event, frozen=True, kw_only=True, tag="investor.deleted"):
    """The investor is no longer one of ours: in no answer until it is registered again.

    What was offered to it and what it answered stays history.
    """

    TYPE: ClassVar[str] = "investor.deleted"
    properties: DeletedProperties


class DealOffered(Event, frozen=True, kw_only=True, tag="deal.offered"):
    """A deal was shown to the investor."""

    TYPE: ClassVar[str] = "deal.offered"
    properties: DealProperties


class DealViewed(Event, frozen=True, kw_only=True, tag="deal.viewed"):
    """The investor opened it."""

    TYPE: ClassVar[str] = "deal.viewed"
    properties: DealProperties


class DealResponded(Event, frozen=True, kw_only=True, tag="deal.responded"):
    """The investor answered."""

    TYPE: ClassVar[str] = "deal.responded"
    properties: ResponseProperties


class DealBought(Event, frozen=True, kw_only=True, tag="deal.bought"):
    """The investor bought it."""

    TYPE: ClassVar[str] = "deal.bought"
    properties: DealProperties


class PredictionMade(Event, frozen=True, kw_only=True, tag="prediction.made"):
    """We answered a question; the event's id is the prediction's."""

    TYPE: ClassVar[str] = "prediction.made"
    properties: PredictionProperties


AnyEvent = (
    SaleRecorded
    | PropertyRecorded
    | PropertyFactsChanged
    | ListingPublished
    | LienRecorded
    | LeadCreated
    | LeadContacted
    | LeadReplied
    | LeadVisited
    | LeadAppointmentSet
    | LeadOfferMade
    | LeadContractSigned
    | LeadClosed
    | LeadLost
    | InvestorRegistered
    | InvestorCriteriaSet
    | InvestorDeleted
    | DealOffered
    | DealViewed
    | DealResponded
    | DealBought
    | PredictionMade
)
KINDS: tuple[type[Event], ...] = get_args(AnyEvent)

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
        ``coordinates_at_zero``, ``occurred_after_received``, ``contradictory_criteria``,
        ``protected_fact`` or ``invalid_value``.
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
    if isinstance(event.properties, CriteriaProperties):
        check_criteria(event.properties)
    check_facts(getattr(event.properties, "facts", None))
