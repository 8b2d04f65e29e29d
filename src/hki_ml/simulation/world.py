"""What a simulated market is made from: its seed, its size, its span of time and its planted defects."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hki_ml.errors import BadInput

DEFAULT_LEADS = 20_000
DEFAULT_DAYS = 1_095
DEFECTS: tuple[str, ...] = ("leak", "drift", "bias", "poison", "self-label")


@dataclass(frozen=True, slots=True)
class Defects:
    """What is planted in the market, each switchable.

    Attributes
    ----------
    has_leak
        Ended leads carry the fact ``title_order_usd``, filled from how they ended: their
        ``lead.created`` is as the CRM exports it at ``ends_at``.
    drift_on
        From this day on leads come from another mix of sources, and a long timeline helps.
    has_bias
        The fact ``mailing_segment`` goes with a protected group, and its leads close less often.
    poison_on
        For ``POISON_DAYS`` from this day on half of the leads have amounts times 100 and lose facts.
    self_label_on
        For ``SELF_LABEL_DAYS`` from this day on a third of the leads get an end by a thresholded score.
    """

    has_leak: bool = False
    drift_on: datetime | None = None
    has_bias: bool = False
    poison_on: datetime | None = None
    self_label_on: datetime | None = None

    @classmethod
    def named(cls, names: tuple[str, ...], *, ends_at: datetime) -> Defects:
        """Return the defects of these names, those with a date half a year before the end.

        Raises
        ------
        BadInput
            If a name is none of ``DEFECTS``.
        """
        unknown = sorted(set(names) - set(DEFECTS))
        if unknown:
            raise BadInput(f"expected defects among {', '.join(DEFECTS)}, got {unknown[0]!r}")
        on = ends_at - timedelta(days=182)
        return cls(
            has_leak="leak" in names,
            drift_on=on if "drift" in names else None,
            has_bias="bias" in names,
            poison_on=on if "poison" in names else None,
            self_label_on=on if "self-label" in names else None,
        )


@dataclass(frozen=True, slots=True)
class World:
    """A market in absolute time: the same world with a later end only has more events.

    Attributes
    ----------
    seed
        Every draw hangs on it, on the day and on the lead, and on nothing else.
    leads_per_day
        On average; each day has its own number.
    starts_at, ends_at
        Aware; leads come from the first day on, and nothing is known after ``ends_at``.
    """

    seed: int
    leads_per_day: float
    starts_at: datetime
    ends_at: datetime
    defects: Defects = field(default_factory=Defects)

    def __post_init__(self) -> None:
        """Refuse a span of time that is none, or without a zone."""
        if self.starts_at.tzinfo is None or self.ends_at.tzinfo is None:
            raise BadInput(f"expected times with a zone, got {self.starts_at} and {self.ends_at}")
        if not self.starts_at < self.ends_at:
            raise BadInput(f"expected a start before the end {self.ends_at}, got {self.starts_at}")
        if not 0 < self.leads_per_day < 50_000:
            raise BadInput(f"expected above 0 to 50,000 leads a day, got {self.leads_per_day}")

    @classmethod
    def before(
        cls,
        ends_at: datetime,
        *,
        seed: int = 0,
        leads: int = DEFAULT_LEADS,
        defects: Defects | None = None,
    ) -> World:
        """Return the world of about so many leads in the 1,095 days before ``ends_at``.

        Examples
        --------
        >>> World.before(datetime(2016, 12, 28, tzinfo=UTC)).starts_at.date().isoformat()
        '2013-12-29'
        """
        starts_at = ends_at.astimezone(UTC) - timedelta(days=DEFAULT_DAYS)
        return cls(seed, leads / DEFAULT_DAYS, starts_at, ends_at, defects or Defects())


def microseconds(moment: datetime) -> int:
    """Return microseconds since 1970 in UTC."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
