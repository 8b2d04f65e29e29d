"""One home's valuation with its evidence: value, intervals, comparables, drivers, deal, or why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.special import ndtr, ndtri

from hki_ml.learning.intervals import LEVELS, errors_of
from hki_ml.models.valuation import artifact
from hki_ml.models.valuation.adjustments import MONTH_DAYS, Subject, grid
from hki_ml.models.valuation.answer import (
    ComparableChoice,
    FactValue,
    Interval,
    Investment,
    InvestmentTerms,
    KnownFact,
    Valuation,
)
from hki_ml.models.valuation.explain import drivers
from hki_ml.models.valuation.features import View
from hki_ml.models.valuation.homes import Homes
from hki_ml.models.valuation.investment import check_terms, invest
from hki_ml.models.valuation.predict import Valuer, Values
from hki_ml.models.valuation.selection import Selection, select
from hki_ml.models.valuation.typical import Reference, homes_of

HIGHEST_FSD = 0.25
FEWEST_COMPARABLES = 3
FARTHEST_KM = 10.0  # beyond this the nearest known sale says nothing about a place
LONGEST_FORECAST_MONTHS = 18  # a trend is not known for longer
REMEMBERED_MONTHS = 24  # past months whose market is kept at hand
WITHIN = 0.10  # confidence is the probability that the price lies this close to the value
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class Appraiser:
    """A valuer with its references: what answers one question at a time.

    Parameters
    ----------
    valuer
        The trained model; ``as_of`` later than its last sale widens intervals, earlier lets it see
        only what was sold and known by then (its parameters were learned later, and the card says so).
    version
        The registry's version of it.
    """

    valuer: Valuer
    reference: Reference
    version: str
    _past: dict[int, Valuer] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, valuer: Valuer, *, version: str) -> Appraiser:
        """Return an appraiser with references learned from the sales that the valuer knows."""
        return cls(valuer, Reference.of(valuer.core), version)

    @property
    def latest(self) -> datetime:
        """The moment up to which sales are known."""
        return EPOCH + timedelta(days=self.valuer.core.evidence.until)

    @property
    def _first_day(self) -> int:
        return int(self.valuer.core.book.homes.day[0])

    @cached_property
    def errors(self) -> tuple[tuple[float, float], ...]:
        """How prices lay around what was said of them, tails included, as the last outcomes tell."""
        told = self.valuer.calibration.outcomes
        return errors_of(told.signed, told.day, as_of=self.valuer.core.evidence.until)

    @property
    def known_facts(self) -> tuple[KnownFact, ...]:
        """The facts that the model looks at."""
        return self.reference.known_facts

    def answer(
        self,
        home: Mapping[str, FactValue],
        *,
        as_of: datetime,
        choice: ComparableChoice,
        terms: InvestmentTerms,
    ) -> Valuation:
        """Value a home as of a moment.

        Facts that the model does not know are passed over. Usual facts that are not given are
        assumed to be the area's typical ones, which is told, and widens the intervals.

        Raises
        ------
        FactOutOfRange
            If the terms are out of range, or a pinned or excluded sale is not known.
        """
        check_terms(terms)
        day = (as_of - EPOCH).days
        if _month_start(day) <= self._first_day:
            first = (EPOCH + timedelta(days=self._first_day)).date()
            return Valuation(
                as_of, (f"no sale is known before that month; the first is of {first}",)
            )
        known = self._as_known(day)
        assumed, doubt = self.reference.assumed(home)
        asked, pair, typical = self._look(known, {**home, **assumed}, (day, doubt), choice)
        comparables = grid(known, asked, choice)
        reasons = self._against(asked, len(comparables), home)
        if reasons:
            return Valuation(as_of, tuple(reasons), comparables=comparables, assumed=assumed)
        base, parts = drivers(known, pair, (typical, asked.facts))
        intervals = _intervals(asked.said)
        return Valuation(
            as_of,
            estimated_value_usd=float(asked.said.usd[0]),
            intervals=intervals,
            fsd=float(asked.said.fsd[0]),
            confidence=_within(asked.said),
            comparables=comparables,
            typical_value_usd=base,
            drivers=parts,
            assumed=assumed,
            investment=self._deal(known, asked, intervals, terms),
        )

    def _look(
        self,
        known: Valuer,
        home: Mapping[str, FactValue],
        moment: tuple[int, float],
        choice: ComparableChoice,
    ) -> tuple[Subject, View, Mapping[str, FactValue]]:
        """Return the home with what is said of it, a view of its area's typical home and it, the typical.

        ``moment`` is the day, and what is not known of the home (log price, 1 sd).
        """
        day, doubt = moment
        area = home.get("area")
        typical = self.reference.typical_of(area if isinstance(area, str) else None)
        homes = self._homes(known, [typical, home], day)
        pair = known.core.look(homes, seek=select(Selection.of(known.core, choice, row=1)))
        subject = homes.take(np.array([1]))
        said = _unsure(known.value_seen(pair.take(np.array([1])), subject), doubt)
        return Subject(subject, home, said), pair, typical

    def _as_known(self, day: int) -> Valuer:
        """Return the valuer with the market as known at the start of the day's month."""
        if day >= self.valuer.core.evidence.until:
            return self.valuer
        month = _month_start(day)
        if month not in self._past:
            while len(self._past) >= REMEMBERED_MONTHS:
                self._past.pop(next(iter(self._past)))
            self._past[month] = replace(self.valuer, core=self.valuer.core.as_of(month))
        return self._past[month]

    def _homes(self, valuer: Valuer, homes: list[Mapping[str, FactValue]], day: int) -> Homes:
        like = valuer.core.book.homes
        one, two = (homes_of(home, day=day, like=like) for home in homes)
        return Homes(
            np.concatenate([one.day, two.day]),
            {name: np.concatenate([one.numbers[name], two.numbers[name]]) for name in one.numbers},
            {
                name: np.concatenate([one.categories[name], two.categories[name]])
                for name in one.categories
            },
        )

    def _against(
        self, asked: Subject, comparables: int, home: Mapping[str, FactValue]
    ) -> list[str]:
        reasons = self.reference.outside(home)
        fsd = float(asked.said.fsd[0])
        if fsd > HIGHEST_FSD:
            unsaid = [name for name in asked.facts if home.get(name) is None]
            help_would = f"; it would help to know {', '.join(unsaid)}" if unsaid else ""
            reasons.append(
                f"the forecast's standard deviation is {fsd:.0%}, more than {HIGHEST_FSD:.0%}{help_would}"
            )
        if comparables < FEWEST_COMPARABLES:
            reasons.append(f"{comparables} comparable sales, fewer than {FEWEST_COMPARABLES}")
        months = (int(asked.homes.day[0]) - self.valuer.core.evidence.until) / MONTH_DAYS
        if months > LONGEST_FORECAST_MONTHS:
            reasons.append(
                f"the latest known sale is {months:.0f} months older than the moment asked for, "
                f"more than {LONGEST_FORECAST_MONTHS}"
            )
        nearest = self._nearest_km(asked)
        if nearest is not None and nearest > FARTHEST_KM:
            away = "hundreds of" if np.isinf(nearest) else f"{nearest:.0f}"
            reasons.append(f"the nearest known sale is {away} km away, more than {FARTHEST_KM:.0f}")
        return reasons

    def _nearest_km(self, asked: Subject) -> float | None:
        evidence = self.valuer.core.evidence
        if np.isnan(asked.homes.number("latitude")[0]) or not evidence.geography.is_located:
            return None
        here = evidence.geography.plane(asked.homes)[0]
        if np.isnan(here[0]):
            return np.inf
        beside = asked.said.view.found.rows[0]
        for rows in (beside[beside >= 0], np.arange(len(evidence))):
            near = np.sqrt(((evidence.place[rows] - here) ** 2).sum(axis=1).min(initial=np.inf))
            if near <= FARTHEST_KM:  # near enough is all that is asked: no need to search them all
                break
        return float(near)

    def _deal(
        self,
        known: Valuer,
        asked: Subject,
        intervals: dict[str, Interval],
        terms: InvestmentTerms,
    ) -> Investment:
        value = float(asked.said.usd[0])
        better = self._repaired(asked)
        repaired = value if better is None else float(known.value(better).usd[0])
        return invest(
            intervals, value=value, repaired_value=max(value, repaired), terms=terms,
            errors=self.errors,
        )  # fmt: skip

    def _repaired(self, asked: Subject) -> Homes | None:
        """Return the home after the works, if the model knows condition or renovation at all."""
        homes, day = asked.homes, int(asked.homes.day[0])
        numbers = dict(homes.numbers)
        area = asked.facts.get("area")
        grade = self.reference.good_condition_of(area if isinstance(area, str) else None)
        if "condition_grade" in numbers and grade is not None:
            numbers["condition_grade"] = np.fmax(numbers["condition_grade"], grade)
        if "year_renovated" in numbers:
            numbers["year_renovated"] = np.array([1970.0 + day // 365.25])
        if numbers == dict(homes.numbers):
            return None
        return Homes(homes.day, numbers, homes.categories)


def load(folder: Path, version: str) -> Appraiser:
    """Return the saved valuer as an appraiser, verified and warm: its kernels are compiled.

    Raises
    ------
    ArtifactRefused
        If a file is not what the manifest says.
    """
    appraiser = Appraiser.of(artifact.load(folder), version=version)
    home, choice, terms = (
        appraiser.reference.typical_of(None),
        ComparableChoice(),
        InvestmentTerms(),
    )
    for as_of in (
        appraiser.latest,
        appraiser.latest - timedelta(days=1),
    ):  # now, and the past's way
        appraiser.answer(home, as_of=as_of, choice=choice, terms=terms)
    return appraiser


def _month_start(day: int) -> int:
    """Return the first day of a day's month; both count from 1970-01-01."""
    return int(np.datetime64(day, "D").astype("datetime64[M]").astype("datetime64[D]").astype(int))


def _unsure(said: Values, doubt: float) -> Values:
    """Return values whose intervals also hold what is not known of the home (log price, 1 sd)."""
    scores = ndtri((1 + np.array(LEVELS)) / 2)
    return replace(said, reach=np.hypot(said.reach, scores * doubt))


def _intervals(said: Values) -> dict[str, Interval]:
    return {
        f"p{round(100 * level)}": Interval(float(said.low_usd[0, j]), float(said.high_usd[0, j]))
        for j, level in enumerate(LEVELS)
    }


def _within(said: Values) -> float:
    """Return the probability that the price lies within 10 % of the value.

    Read off the conformal half widths: straight between levels on the normal scale.
    """
    scores = np.append(0.0, ndtri((1 + np.array(LEVELS)) / 2))
    reach = np.append(0.0, said.reach[0])
    up, down = np.log1p(WITHIN), -np.log1p(-WITHIN)
    beyond = scores[-1] / reach[-1]
    z = [
        side * beyond if side > reach[-1] else float(np.interp(side, reach, scores))
        for side in (up, down)
    ]
    return float(ndtr(z[0]) - ndtr(-z[1]))
