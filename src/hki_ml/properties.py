"""What events say: one closed, frozen struct a kind of content, with the range of every value."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hki_ml.errors import EventRejected
from hki_ml.protected import why_protected

Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Label = Annotated[str, Meta(min_length=1, max_length=200)]
Instant = Annotated[datetime, Meta(tz=True)]
Money = Annotated[float, Meta(gt=0, le=10_000_000_000)]

Area = Annotated[float, Meta(ge=50, le=2_000_000)]
LotArea = Annotated[float, Meta(ge=0, le=500_000_000)]
Count = Annotated[float, Meta(ge=0, le=10_000)]
Year = Annotated[float, Meta(ge=1600, le=2200)]
Grade = Annotated[float, Meta(ge=-100, le=1_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[float, Meta(ge=0, le=31_536_000)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
ExtraName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Extra = dict[ExtraName, float | Label]


class Wire(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    omit_defaults=True,
    gc=False,  # none of them can be part of a cycle, and ten thousands live at once
):
    """How every struct here looks on the wire: camelCase, closed, defaults left out."""


class HomeFacts(Wire, frozen=True):
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


class SaleProperties(Wire, frozen=True, kw_only=True):
    """A sale: its price and the home's facts at that time."""

    price_usd: Money
    facts: HomeFacts = HomeFacts()
    is_arms_length: bool = True
    list_price_usd: Money | None = None


class FactsProperties(Wire, frozen=True):
    """The facts of a home from now on."""

    facts: HomeFacts


class ListingProperties(Wire, frozen=True):
    """An asking price; never a feature of the valuation."""

    list_price_usd: Money


class LienProperties(Wire, frozen=True, kw_only=True):
    """A claim on a home. With ``lead_id`` it was found for that lead and speaks of no other lead."""

    kind: Literal["tax", "mechanics", "judgment", "mortgage", "lis_pendens"]
    amount_usd: Money | None = None
    lead_id: Identifier | None = None


class LeadProperties(Wire, frozen=True):
    """A lead as it came: where it was won, which home it is about, what is asked for it.

    ``facts`` holds any further fact, a number or a category, under a snake_case name; what describes a
    person's protected attributes is refused (``hki_ml.protected``).
    """

    lead_source: Label | None = None
    property_id: Identifier | None = None
    asking_price_usd: Money | None = None
    facts: Extra | None = None


class TouchProperties(Wire, frozen=True):
    """A contact or a reply and the channel it went by, e.g. ``phone`` or ``email``."""

    channel: Label | None = None


class VisitProperties(Wire, frozen=True):
    """A visit of our pages: which, and for how long."""

    page: Label | None = None
    seconds: Seconds | None = None


class AppointmentProperties(Wire, frozen=True):
    """An appointment, and when it is to be."""

    scheduled_at: Instant | None = None


class AmountProperties(Wire, frozen=True):
    """An offer, a contract or a closing, and its amount."""

    amount_usd: Money | None = None


class LostProperties(Wire, frozen=True):
    """Why a lead came to nothing."""

    reason: Label | None = None


class InvestorProperties(Wire, frozen=True):
    """Who buys: the kind of buyer and any further fact under a snake_case name; no names of people."""

    kind: Label | None = None
    facts: Extra | None = None


class DeletedProperties(Wire, frozen=True):
    """Why an investor is no longer one of ours."""

    reason: Label | None = None


class CriteriaProperties(Wire, frozen=True):
    """What an investor buys from now on; what is not named does not matter to them."""

    areas: tuple[Label, ...] | None = None
    property_types: tuple[Label, ...] | None = None
    price_low_usd: Money | None = None
    price_high_usd: Money | None = None
    bedrooms_low: Count | None = None
    living_sqft_low: Area | None = None
    year_built_low: Year | None = None
    deals_per_month: Annotated[float, Meta(gt=0, le=1_000)] | None = None
    is_cash_buyer: bool | None = None
    opted_out: bool | None = None


def check_criteria(said: CriteriaProperties) -> None:
    """Refuse criteria that contradict one another, with both named.

    Raises
    ------
    EventRejected
        With reason ``contradictory_criteria``.
    """
    low, high = said.price_low_usd, said.price_high_usd
    if low is not None and high is not None and low > high:
        raise EventRejected(
            "contradictory_criteria",
            f"expected priceLowUsd at or below priceHighUsd, got {low:g} and {high:g}",
        )
    for name, listed in (("areas", said.areas), ("propertyTypes", said.property_types)):
        if listed is not None and not listed:
            raise EventRejected(
                "contradictory_criteria",
                f"expected {name} with at least one entry, or left out for any, got an empty list",
            )


class DealProperties(Wire, frozen=True, kw_only=True):
    """A deal that an investor was shown or bought: the home, the lead it came from, its price."""

    deal_id: Identifier
    property_id: Identifier | None = None
    lead_id: Identifier | None = None
    price_usd: Money | None = None


class ResponseProperties(Wire, frozen=True, kw_only=True):
    """What an investor answered to a deal; asked, toured and offered are positive."""

    deal_id: Identifier
    response: Literal["asked", "toured", "offered", "declined"]


class PredictionProperties(Wire, frozen=True, kw_only=True):
    """What was answered, by which versions, from which features: enough to answer the same again.

    ``features`` are the stored features as they were read, ``made_from`` the versions of the lake's
    tables behind them and the moment they were made at; ``answer`` is the answer itself.
    """

    model: Label
    versions: dict[Label, Label]
    as_of: Instant
    features: dict[str, Any]
    answer: dict[str, Any]
    made_from: dict[str, Any] = {}


def check_facts(facts: HomeFacts | Mapping[str, float | str] | None) -> None:
    """Refuse facts that cannot be, and those that the law forbids to decide by.

    Raises
    ------
    EventRejected
        With reason ``coordinates_at_zero`` or ``protected_fact``.
    """
    if isinstance(facts, HomeFacts):
        if facts.latitude == 0 and facts.longitude == 0:
            raise EventRejected(
                "coordinates_at_zero", "expected real coordinates or none, got 0, 0"
            )
        return
    for name, value in (facts or {}).items():
        reason = why_protected(name, value)
        if reason is not None:
            raise EventRejected("protected_fact", reason)
