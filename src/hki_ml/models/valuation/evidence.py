"""The sales that a valuation may lean on, arranged so that any day's view of them is quick and exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from hki_ml.learning.encoding import NO_KEY, Ledger, keys, row_keys
from hki_ml.models.valuation.hedonic import Hedonic
from hki_ml.models.valuation.homes import FloatArray, Homes, IntArray
from hki_ml.models.valuation.market import MarketIndex
from hki_ml.models.valuation.neighbours import Tree

RESIDUAL_LIMIT = (
    1.5  # log; one absurd neighbour must not move a home by more than its share of this
)
_KM_A_DEGREE = 110.57
_FAR_DEGREES = (
    3.0  # NOTE: 0/0 and swapped coordinates lie farther than this from any city's middle.
)


@dataclass(frozen=True, slots=True)
class Geography:
    """Where homes are, in kilometres on a plane; a home without coordinates stands in its area's middle."""

    latitude: float
    longitude: float
    is_located: bool
    areas: Mapping[str, tuple[float, float]]

    @classmethod
    def of(cls, homes: Homes) -> Geography:
        """Learn the city's middle and its areas' middles from homes that have coordinates."""
        lat, lon = homes.number("latitude"), homes.number("longitude")
        seen = ~(np.isnan(lat) | np.isnan(lon))
        if seen.sum() < 30:
            return cls(0.0, 0.0, is_located=False, areas={})
        whole = cls(
            float(np.median(lat[seen])), float(np.median(lon[seen])), is_located=True, areas={}
        )
        plane, area = whole.plane(homes), homes.category("area")
        usable = np.flatnonzero(~np.isnan(plane[:, 0]) & np.array([a is not None for a in area]))
        middles: dict[str, tuple[float, float]] = {}
        if len(usable):
            names, code = np.unique(area[usable].astype(str), return_inverse=True)
            for i, name in enumerate(names):
                x, y = np.median(plane[usable[code == i]], axis=0)
                middles[str(name)] = (float(x), float(y))
        return replace(whole, areas=middles)

    def plane(self, homes: Homes) -> FloatArray:
        """Return kilometres east and north of the city's middle, NaN without usable coordinates."""
        lat = homes.number("latitude") - self.latitude
        lon = homes.number("longitude") - self.longitude
        wrong = ~((np.abs(lat) < _FAR_DEGREES) & (np.abs(lon) < _FAR_DEGREES))
        shrink = np.cos(np.radians(self.latitude))
        out = np.column_stack([lon * _KM_A_DEGREE * shrink, lat * _KM_A_DEGREE])
        out[wrong] = np.nan
        return out

    def place(self, homes: Homes) -> FloatArray:
        """Return a place for every home: its own, else its area's middle, else the city's."""
        if not self.is_located:
            return np.zeros((len(homes), 2))
        out = self.plane(homes)
        area = homes.category("area")
        for i in np.flatnonzero(np.isnan(out[:, 0])):
            out[i] = self.areas.get(area[i], (0.0, 0.0)) if area[i] is not None else (0.0, 0.0)
        return out


@dataclass(frozen=True, slots=True)
class Metric:
    """What makes two homes comparable: one unit of each scale counts the same.

    Attributes
    ----------
    km, years, effect
        A unit of distance, of time, and of difference in what a fact is worth (log price).
    facts
        Positions among `Hedonic.names` of the facts compared.
    area_penalty, type_penalty
        Added to the squared distance where area or type differ.
    """

    km: float
    years: float
    effect: float
    facts: tuple[int, ...]
    area_penalty: float
    type_penalty: float


def axes(metric: Metric, place: FloatArray, effects: FloatArray, day: IntArray) -> FloatArray:
    """Return scaled coordinates: place, effects of the compared facts, and time last."""
    chosen = effects[:, list(metric.facts)] / metric.effect
    return np.column_stack([place / metric.km, chosen, day / (365.25 * metric.years)])


def place_axes(metric: Metric, place: FloatArray, day: IntArray) -> FloatArray:
    """Return scaled place and time alone: who is near, whatever the home is like."""
    return np.column_stack([place / metric.km, day / (365.25 * metric.years)])


def category_keys(homes: Homes) -> IntArray:
    """Return keys of area and type, shape ``(n, 2)``."""
    return np.column_stack([keys(homes.category("area")), keys(homes.category("property_type"))])


def twin_keys(homes: Homes) -> IntArray:
    """Return one key a home, shared by homes that cannot be told apart by their lasting facts.

    It finds a home's own earlier sales, and those of equal flats in its block, without its id.
    """
    lasting = [
        n for n in sorted(homes.numbers)
        if n in ("latitude", "longitude", "living_sqft", "lot_sqft", "year_built")
        or n.startswith("extra_")
    ]  # fmt: skip
    columns = [homes.number(n) for n in lasting]
    # 20 bits of the key as a number: enough to keep levels apart beside the other facts.
    columns += [
        (keys(homes.category(n)) & 0xFFFFF).astype(np.float64) for n in sorted(homes.categories)
    ]
    if not lasting:
        return np.full(len(homes), NO_KEY, dtype=np.int64)
    return row_keys(columns)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Known sales with their homes' facts, as of any day up to ``until``.

    ``residual`` is what the market index and the facts leave unexplained (log price, limited): it is
    what neighbours tell about a place.
    """

    homes: Homes
    log_price: FloatArray
    effects: FloatArray
    attributes: FloatArray
    place: FloatArray
    geography: Geography
    metric: Metric
    alike: Tree
    near: Tree
    until: int
    residual: FloatArray
    ledgers: Mapping[str, Ledger]

    def __len__(self) -> int:
        return len(self.log_price)

    def as_seen(self, market: MarketIndex, hedonic: Hedonic) -> Evidence:
        """Return the same sales with residuals against another view of the market."""
        level = market.at(self.homes.day, self.homes.category("area"))
        gap = self.log_price - hedonic.level - level - self.attributes
        residual = np.clip(gap, -RESIDUAL_LIMIT, RESIDUAL_LIMIT)
        named = {n: keys(self.homes.category(n)) for n in ("area", *hedonic.fine)}
        named["twin"] = twin_keys(self.homes)
        ledgers = {n: Ledger.of(k, self.homes.day, residual) for n, k in named.items()}
        return replace(self, residual=residual, ledgers=ledgers)


def total_effect(effects: FloatArray) -> FloatArray:
    """Add the facts' effects in a fixed order, so that a row's sum does not depend on its batch."""
    out = np.zeros(len(effects))
    for j in range(effects.shape[1]):
        out += effects[:, j]
    return out


def gather(
    homes: Homes, log_price: FloatArray, *, hedonic: Hedonic, geography: Geography, metric: Metric
) -> Evidence:
    """Arrange known sales; call `Evidence.as_seen` to give them residuals."""
    effects = hedonic.effects(homes)
    place = geography.place(homes)
    both = category_keys(homes)
    penalty = np.array([metric.area_penalty, metric.type_penalty])
    only_type = np.array([0.0, metric.type_penalty / 2])
    return Evidence(
        homes, log_price, effects, total_effect(effects), place, geography, metric,
        Tree.of(axes(metric, place, effects, homes.day), both, penalty, homes.day),
        Tree.of(place_axes(metric, place, homes.day), both, only_type, homes.day),
        int(homes.day.max()) + 1, np.zeros(len(log_price)), {},
    )  # fmt: skip
