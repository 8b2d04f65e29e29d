"""A valuer as JSON and arrays, and back; what the artifact writes and reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.intervals import Outcomes, Widths
from hki_ml.learning.packed_trees import PackedTrees
from hki_ml.models.valuation.calibration import Blend, Calibration
from hki_ml.models.valuation.comparables import Found
from hki_ml.models.valuation.core import Core, SaleBook
from hki_ml.models.valuation.ensemble import Ensemble, Reference
from hki_ml.models.valuation.evidence import Geography, Metric, gather
from hki_ml.models.valuation.features import View
from hki_ml.models.valuation.hedonic import Curve, Hedonic
from hki_ml.models.valuation.homes import Homes, ObjectArray
from hki_ml.models.valuation.market import Dynamics, MarketIndex
from hki_ml.models.valuation.network import Network, Scaling
from hki_ml.models.valuation.predict import Valuer

Arrays = dict[str, NDArray[Any]]


def pack(valuer: Valuer) -> tuple[dict[str, object], Arrays]:
    """Return the valuer as a JSON-able description and arrays."""
    core, calibration = valuer.core, valuer.calibration
    arrays: Arrays = {}
    for name, trees in _trees(valuer).items():
        arrays |= {f"{name}/{k}": v for k, v in trees.arrays().items()}
    for i, network in enumerate(core.ensemble.networks):
        arrays |= {f"network{i}/{k}": v for k, v in network.layers.items()}
        scaling = network.scaling
        arrays |= {
            f"scaling{i}/mean": scaling.mean, f"scaling{i}/deviation": scaling.deviation,
            f"scaling{i}/areas": scaling.areas,
        }  # fmt: skip
    outcomes, widths = calibration.outcomes, valuer.widths
    arrays |= {
        "outcomes/signed": outcomes.signed, "outcomes/day": outcomes.day,
        "outcomes/group": outcomes.group,
        "outcomes/missed": outcomes.missed, "outcomes/errors": calibration.errors,
        "widths/overall": widths.overall,
        "widths/groups": widths.groups, "widths/by_group": widths.by_group,
        "blend/weights": calibration.blend.weights, "blend/offsets": calibration.blend.offsets,
        "market/city": core.market.city,
    }  # fmt: skip
    arrays |= _pack_view(core.ensemble.reference.view)
    arrays["reference/native"] = core.ensemble.reference.native
    levels = _pack_book(core.book, arrays)
    return _describe(valuer, levels), arrays


def _trees(valuer: Valuer) -> dict[str, PackedTrees]:
    ensemble = valuer.core.ensemble
    return {
        "boosted": ensemble.boosted,
        "forest": ensemble.forest,
        "spread": valuer.calibration.spread,
    }


def _describe(valuer: Valuer, levels: dict[str, list[str]]) -> dict[str, object]:
    core, blend = valuer.core, valuer.calibration.blend
    hedonic, market, geography = core.hedonic, core.market, core.evidence.geography
    return {
        "hedonic": {
            "level": hedonic.level, "scale": hedonic.scale, "fine": list(hedonic.fine),
            "curves": [
                [n, c.knots.tolist(), c.values.tolist(), c.missing] for n, c in hedonic.curves.items()
            ],
            "levels": [[n, dict(table)] for n, table in hedonic.levels.items()],
        },
        "market": {
            "first_month": market.first_month, "offset": market.offset,
            "known_until": market.known_until, "dynamics": asdict(market.dynamics),
            "areas": {n: path.tolist() for n, path in market.areas.items()},
        },
        "geography": {
            "latitude": geography.latitude, "longitude": geography.longitude,
            "is_located": geography.is_located, "areas": {n: list(p) for n, p in geography.areas.items()},
        },
        "metric": asdict(core.evidence.metric),
        "blend": {"pivot": blend.pivot, "stretch": blend.stretch},
        "aging": valuer.calibration.aging,
        "networks": len(core.ensemble.networks),
        "feature_names": list(core.ensemble.reference.view.names),
        "book_levels": levels,
        "note": dict(valuer.note),
    }  # fmt: skip


def _pack_view(view: View) -> Arrays:
    return {
        "reference/table": view.table, "reference/base": view.base, "reference/area": view.area,
        "reference/pair": view.pair, "reference/pair_residual": view.pair_residual,
        "reference/rows": view.found.rows, "reference/far": view.found.far,
    }  # fmt: skip


def _pack_book(book: SaleBook, arrays: Arrays) -> dict[str, list[str]]:
    """Add the sales as columns; categories become codes, whose levels are returned."""
    arrays["book/day"], arrays["book/log_price"] = book.homes.day, book.log_price
    arrays["book/home_id"] = book.home_id.astype(str)
    arrays["book/sale_id"] = book.sale_id.astype(str)
    for name, values in book.homes.numbers.items():
        arrays[f"book/number/{name}"] = values
    levels: dict[str, list[str]] = {}
    for name, said in book.homes.categories.items():
        seen = sorted({v for v in said if v is not None})
        place = {v: i for i, v in enumerate(seen)}
        arrays[f"book/code/{name}"] = np.array(
            [-1 if v is None else place[v] for v in said], np.int32
        )
        levels[name] = seen
    return levels


def _under(arrays: Mapping[str, NDArray[Any]], folder: str) -> Arrays:
    return {n[len(folder) + 1 :]: v for n, v in arrays.items() if n.startswith(f"{folder}/")}


def unpack(
    described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], *, booster_text: str
) -> Valuer:
    """Return the valuer that `pack` took apart; its evidence is arranged anew from the sales."""
    hedonic, market = (
        _hedonic(described["hedonic"]),
        _market(described["market"], arrays["market/city"]),
    )
    book = _book(arrays, described["book_levels"])
    geography = described["geography"]
    metric = described["metric"]
    evidence = gather(
        book.homes, book.log_price, hedonic=hedonic,
        geography=Geography(
            geography["latitude"], geography["longitude"], is_located=geography["is_located"],
            areas={n: (p[0], p[1]) for n, p in geography["areas"].items()},
        ),
        metric=Metric(**{**metric, "facts": tuple(metric["facts"])}),
    ).as_seen(market, hedonic)  # fmt: skip
    ensemble = _ensemble(described, arrays, booster_text)
    told = _under(arrays, "outcomes")
    calibration = Calibration(
        Blend(arrays["blend/weights"], arrays["blend/offsets"], **described["blend"]),
        PackedTrees.of_arrays(_under(arrays, "spread")),
        Outcomes(told["signed"], told["day"], told["group"], told["missed"]),
        told["errors"], described["aging"],
    )  # fmt: skip
    widths = Widths(**_under(arrays, "widths"))
    core = Core(hedonic, market, evidence, ensemble, book)
    return Valuer(core, calibration, widths, described["note"])


def _hedonic(said: Mapping[str, Any]) -> Hedonic:
    return Hedonic(
        said["level"],
        {n: Curve(np.array(k), np.array(v), missing) for n, k, v, missing in said["curves"]},
        {n: dict(table) for n, table in said["levels"]},
        tuple(said["fine"]),
        said["scale"],
    )


def _market(said: Mapping[str, Any], city: NDArray[np.float64]) -> MarketIndex:
    areas = {n: np.array(path) for n, path in said["areas"].items()}
    dynamics = Dynamics(**said["dynamics"])
    return MarketIndex(
        said["first_month"], said["offset"], city, areas, dynamics, said["known_until"]
    )


def _ensemble(
    described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], text: str
) -> Ensemble:
    told = _under(arrays, "reference")
    view = View(
        told["table"], tuple(described["feature_names"]), told["base"], told["area"], told["pair"],
        told["pair_residual"], Found(told["rows"], told["far"]),
    )  # fmt: skip
    networks = tuple(
        Network(Scaling(**_under(arrays, f"scaling{i}")), _under(arrays, f"network{i}"))
        for i in range(described["networks"])
    )
    return Ensemble(
        PackedTrees.of_arrays(_under(arrays, "boosted")), PackedTrees.of_arrays(_under(arrays, "forest")),
        networks, text, Reference(view, told["native"]),
    )  # fmt: skip


def _book(arrays: Mapping[str, NDArray[Any]], levels: Mapping[str, list[str]]) -> SaleBook:
    told = _under(arrays, "book")
    categories: dict[str, ObjectArray] = {}
    for name in sorted(levels):
        choice = np.array([*levels[name], None], dtype=object)
        categories[name] = choice[told[f"code/{name}"]]
    numbers = {n.removeprefix("number/"): v for n, v in told.items() if n.startswith("number/")}
    homes = Homes(told["day"], dict(sorted(numbers.items())), categories)
    return SaleBook(
        homes, told["log_price"], told["home_id"].astype(object), told["sale_id"].astype(object)
    )
