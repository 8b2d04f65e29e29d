"""What a caller may ask of ``value-property``: the request's fields, their ranges, their defaults."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec.inspect as wire
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    create_model,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from hki_ml.models.valuation.answer import ComparableChoice, FactValue, InvestmentTerms
from hki_ml.properties import HomeFacts
from hki_ml.serving.problem import FieldError, Problem, ProblemError, invalid
from hki_ml.serving.strict_json import read_object
from hki_ml.tables import EXTRA_PREFIX

B = TypeVar("B", bound=BaseModel)
CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)

Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
ExtraName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


def _extra_value(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, str) and 1 <= len(value) <= 200:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300:
        return float(value)
    raise PydanticCustomError("extra_fact", "Input should be a number, 1 to 200 characters or null")


ExtraValue = Annotated[
    Any,
    AfterValidator(_extra_value),
    Field(json_schema_extra={"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}),
]


class Closed(BaseModel):
    """Strict types, no unknown fields, camelCase on the wire."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        allow_inf_nan=False,
    )


def _field_of(kind: wire.Type) -> Any:
    inner = next(t for t in kind.types if not isinstance(t, wire.NoneType))  # type: ignore[attr-defined]
    if isinstance(inner, wire.FloatType):
        return Annotated[float, Field(ge=inner.ge, le=inner.le)]
    if isinstance(inner, wire.BoolType):
        return bool
    if isinstance(inner, wire.StrType):
        return Label
    return dict[ExtraName, ExtraValue]


def _facts_model() -> type[BaseModel]:
    described = wire.type_info(HomeFacts)
    if not isinstance(described, wire.StructType):
        raise TypeError(f"expected HomeFacts to be a struct, got {described}")
    fields: dict[str, Any] = {f.name: (_field_of(f.type) | None, None) for f in described.fields}
    return create_model("FactsBody", __base__=Closed, __doc__=HomeFacts.__doc__, **fields)


if TYPE_CHECKING:

    class FactsBody(Closed):
        """A home's facts, as ``hki_ml.events.HomeFacts`` bounds them."""
else:
    FactsBody = _facts_model()


class ComparablesBody(Closed):
    """Which earlier sales may stand beside the home."""

    pin: list[Identifier] = Field([], max_length=20, description="sale ids that must be shown")
    exclude: list[Identifier] = Field([], max_length=200, description="sale ids that must not")
    radius_km: float | None = Field(None, gt=0, le=500, description="how far away at most")
    months: float | None = Field(None, gt=0, le=600, description="how long ago at most")
    count: int = Field(8, ge=3, le=20, description="how many")

    def choice(self) -> ComparableChoice:
        """Return it as the room takes it."""
        return ComparableChoice(
            tuple(dict.fromkeys(self.pin)),
            tuple(dict.fromkeys(self.exclude)),
            self.radius_km,
            self.months,
            self.count,
        )


_TERMS = InvestmentTerms()


class InvestmentBody(Closed):
    """What an investor assumes about the deal; each default is the service's own."""

    rehab_cost_usd: float = Field(_TERMS.rehab_cost_usd, ge=0, le=100_000_000)
    rehab_cost_sd_share: float = Field(_TERMS.rehab_cost_sd_share, ge=0, le=2)
    holding_months: float = Field(_TERMS.holding_months, ge=0, le=120)
    holding_cost_rate: float = Field(_TERMS.holding_cost_rate, ge=0, le=0.2)
    selling_cost_rate: float = Field(_TERMS.selling_cost_rate, ge=0, le=0.5)
    target_margin_rate: float = Field(_TERMS.target_margin_rate, ge=0, le=0.9)
    loss_probability: float = Field(_TERMS.loss_probability, ge=0.01, le=0.5)
    seller_minimum_rate: float = Field(_TERMS.seller_minimum_rate, ge=0.1, le=2)
    seller_minimum_sd: float = Field(_TERMS.seller_minimum_sd, ge=0.02, le=3)

    def terms(self) -> InvestmentTerms:
        """Return them as the room takes them."""
        return InvestmentTerms(**self.model_dump())


class ValuePropertyBody(Closed):
    """A home, by its id or by its facts, and how it is to be valued."""

    property_id: Identifier | None = Field(None, description="a home that the store knows")
    facts: FactsBody | None = Field(None, description="the facts of any home, instead of an id")
    as_of: str | None = Field(
        None,
        max_length=40,
        description="value as of this past day or moment (ISO 8601); only earlier sales are seen. "
        "Default: now, or the model's newest sale where that is earlier",
        json_schema_extra={"examples": ["2016-07-01", "2016-07-01T00:00:00Z"]},
    )
    comparables: ComparablesBody = ComparablesBody()
    overrides: FactsBody | None = Field(
        None, description="facts that replace the known ones; null: treat as unknown"
    )
    investment: InvestmentBody = InvestmentBody()


def read_body(body: bytes) -> ValuePropertyBody:
    """Return the request that the body holds.

    Raises
    ------
    ProblemError
        400 if it is not strict JSON; 422 with a pointer for each field that is wrong.
    """
    asked = validated(ValuePropertyBody, body)
    if (asked.property_id is None) == (asked.facts is None):
        got = "neither" if asked.facts is None else "both"
        raise invalid("", f"expected either propertyId or facts, got {got}")
    both = set(asked.comparables.pin) & set(asked.comparables.exclude)
    if both:
        raise invalid("/comparables/exclude", "expected no sale that is pinned as well")
    pins, count = len(set(asked.comparables.pin)), asked.comparables.count
    if pins > count:
        raise invalid("/comparables/pin", f"expected at most count ({count}) sales, got {pins}")
    for name in ("facts", "overrides"):
        given = getattr(asked, name)
        if given is not None and given.latitude == 0 and given.longitude == 0:
            raise invalid(f"/{name}/latitude", "expected real coordinates or none, got 0, 0")
    return asked


def validated(kind: type[B], body: bytes) -> B:
    """Return a body of this kind.

    Raises
    ------
    ProblemError
        400 if it is not strict JSON; 422 with a pointer for each field that is wrong.
    """
    try:
        return kind.model_validate(read_object(body))
    except ValidationError as error:
        raise ProblemError(_problem(error)) from error


def _problem(error: ValidationError) -> Problem:
    errors = tuple(
        FieldError(_pointer(issue["loc"]), issue["msg"])
        for issue in error.errors(include_url=False, include_context=False, include_input=False)[
            :50
        ]
    )
    fields = ", ".join(e.pointer or "the body" for e in errors[:5])
    return Problem("invalid-field", f"{error.error_count()} invalid: {fields}", errors)


def _pointer(location: Iterable[int | str]) -> str:
    parts = [str(part) for part in location if part != "[key]"]
    return "".join("/" + p.replace("~", "~0").replace("/", "~1")[:200] for p in parts)


def read_as_of(text: str | None, now: datetime) -> datetime | None:
    """Return the moment that ``asOf`` names, in UTC.

    Raises
    ------
    ProblemError
        422 if it does not parse, has a time but no zone, or lies in the future or before 1900.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None and len(text) > 10:
            raise ValueError("no zone")  # noqa: TRY301 - told like any other text that does not parse
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise invalid("/asOf", "expected a day or a moment with zone in ISO 8601") from error
    if moment > now + CLOCK_SKEW:
        raise invalid("/asOf", f"expected a moment that is not in the future of {iso(now)}")
    if moment < EARLIEST:
        raise invalid("/asOf", f"expected {iso(EARLIEST)} or later")
    return moment


def iso(moment: datetime) -> str:
    """Return a moment as the wire writes it: UTC, milliseconds, ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def columns(facts: FactsBody, *, only_given: bool = False) -> dict[str, FactValue]:
    """Return facts under their column names; ``only_given`` keeps what was sent, nulls too."""
    names = facts.model_fields_set if only_given else set(type(facts).model_fields)
    home: dict[str, FactValue] = {}
    for name in type(facts).model_fields:
        value = getattr(facts, name)
        if name == "extra":
            home |= {EXTRA_PREFIX + key: item for key, item in (value or {}).items()}
        elif name in names:
            home[name] = float(value) if name == "is_waterfront" and value is not None else value
    return home
