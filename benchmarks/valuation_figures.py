"""The valuation's figures on public data, out of time, against their targets: a Markdown table.

``python benchmarks/valuation_figures.py [--city seattle …] [--json-in FOLDER | --json-out FOLDER]``.
Each city is what ``hki backtest valuation FILE --mapping mappings/CITY.toml --cutoff …`` does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hki_ml.mapping.loading import load_mapping
from hki_ml.pipeline.backtest import Question, backtest
from hki_ml.settings import load_settings

ROOT = Path(__file__).parents[1]
REGIMES = ("as_known", "strict")
RIVALS = ("LightGBM alone", "RandomForest + network", "comparables alone")


@dataclass(frozen=True)
class City:
    """What is asked of one city: its file, the judged period, the targets."""

    file: str
    cutoff: str
    until: str | None
    targets: dict[str, tuple[str, Callable[[float], bool]]]


def at_most(limit: float) -> tuple[str, Callable[[float], bool]]:
    return f"≤ {limit:g}", lambda value: value <= limit


def at_least(limit: float) -> tuple[str, Callable[[float], bool]]:
    return f"≥ {limit:g}", lambda value: value >= limit


def within(low: float, high: float) -> tuple[str, Callable[[float], bool]]:
    return f"{low:g} to {high:g}", lambda value: low <= value <= high


# The design document's targets, the same for every city.
DESIGN = {"MAPE": at_most(10), "R2": at_least(0.85), "cover95": at_least(93)}
COVERAGE = {"cover80": within(78.5, 81.5), "cover95": within(93.5, 96.5)}
CITIES = {
    "seattle": City(
        "seattle_repeat_sales/seattle_sales.parquet",
        "2016-07-01",
        None,
        {
            "MdAPE": at_most(8.0),
            "PPE10": at_least(59),
            "PRB": within(-0.03, 0.03),
            "PRD": within(0.98, 1.03),
            "COD": at_most(12),
        },
    ),
    "king_county": City(
        "kc_house_sales/kc_house_sales.parquet",
        "2015-03-01",
        None,
        {"MdAPE": at_most(7.9), "PPE10": at_least(60), "R2": at_least(0.90)},
    ),
    "singapore": City(
        "sg_hdb_resale/hdb_resale_2017_2023.parquet", "2023-07-01", None, {"MAPE": at_most(3.3)}
    ),
    "new_york": City(
        "nyc_property_sales/nyc_sales_2015bk_2019_2024.parquet",
        "2024-01-01",
        "2025-01-01",
        {"MdAPE": at_most(13)},
    ),
}


def run(name: str, city: City) -> dict[str, Any]:
    settings = load_settings()
    cutoff, until = (
        None if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC)
        for day in (city.cutoff, city.until)
    )
    question = Question(cutoff, until, datetime.now(UTC), threads=1)
    mapping = load_mapping(ROOT / "mappings" / f"{name}.toml")
    return backtest("valuation", settings.real_data / city.file, mapping, question).as_json()


def table(name: str, city: City, found: dict[str, Any]) -> list[str]:
    overall = {regime: found[f"overall, {regime}"]["all"] for regime in REGIMES}
    rivals = found["side by side, as_known"]
    n = overall["as_known"]["n"]
    lines = [
        f"\n### {name.replace('_', ' ').title()}, n = {n:,}, from {city.cutoff}\n",
        f"| figure | target | as known | strict | {' | '.join(RIVALS)} |",
        "|---|---|---|---|---|---|---|",
    ]
    asked = [("ours", name, *target) for name, target in {**city.targets, **COVERAGE}.items()]
    asked += [("design", name, *target) for name, target in DESIGN.items()]
    for origin, figure, text, is_met in asked:
        ours = [_cell(overall[regime][figure], is_met) for regime in REGIMES]
        theirs = [_plain(rivals[rival].get(figure)) for rival in RIVALS]
        label = figure if origin == "ours" else f"{figure} (design document)"
        lines.append(f"| {label} | {text} | {' | '.join([*ours, *theirs])} |")
    return lines + _widths(overall) + _areas(found) + [_cost(found)]


def _cell(figure: dict[str, float], is_met: Callable[[float], bool]) -> str:
    value = figure["value"]
    verdict = "met" if is_met(value) else "**missed**"
    return f"{value:.4g} [{figure['low']:.4g}, {figure['high']:.4g}], {verdict}"


def _plain(figure: dict[str, float] | None) -> str:
    return "" if figure is None else f"{figure['value']:.4g}"


def _widths(overall: dict[str, Any]) -> list[str]:
    split = {level: overall["as_known"][f"width{level} split"]["value"] for level in (80, 95)}
    widths = [
        f"| median width {level} % (split conformal {split[level]:.3g}) | | "
        + " | ".join(f"{overall[regime][f'width{level}']['value']:.3g}" for regime in REGIMES)
        + " | | | |"
        for level in (80, 95)
    ]
    hit = " | ".join(f"{overall[regime]['hit rate']['value']:.1f}" for regime in REGIMES)
    return [*widths, f"| hit rate % | | {hit} | | | |"]


def _areas(found: dict[str, Any]) -> list[str]:
    cells = []
    for regime in REGIMES:
        areas = found[f"by area, {regime}"]
        short = {
            level: [
                name for name, row in areas.items() if row[f"cover{level}"]["value"] < level - 5
            ]
            for level in (80, 95)
        }
        told = ", ".join(
            f"{name} (n {areas[name]['n']}, {areas[name][f'cover{level}']['value']:.1f})"
            for level, names in short.items()
            for name in names[:4]
        )
        count = f"{len(short[80])} / {len(short[95])} of {len(areas)}"
        verdict = "met" if not short[80] and not short[95] else f"**missed**: {told}"
        cells.append(f"{count}, {verdict}")
    return [
        f"| areas (n ≥ 30) under nominal - 5 at 80 / 95 % | 0 / 0 | {' | '.join(cells)} | | | |"
    ]


def _cost(found: dict[str, Any]) -> str:
    weights = ", ".join(f"{who} {share:g}" for who, share in found["note"]["weights"].items())
    return (
        f"\nTrained on {found['note']['sales']:,} sales in {found['train_seconds']:.0f} s with "
        f"{found['peak_memory_gb']:.2f} GB at most. Weights: {weights}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--city", nargs="*", default=list(CITIES), choices=list(CITIES))
    parser.add_argument("--json-in", type=Path, help="read what --json of hki backtest wrote")
    parser.add_argument("--json-out", type=Path)
    asked = parser.parse_args()
    for name in asked.city:
        city = CITIES[name]
        if asked.json_in is not None:
            found = json.loads((asked.json_in / f"{name}.json").read_text())
        else:
            found = run(name, city)
        if asked.json_out is not None:
            asked.json_out.mkdir(parents=True, exist_ok=True)
            (asked.json_out / f"{name}.json").write_text(json.dumps(found, indent=1))
        print("\n".join(table(name, city, found)), flush=True)


if __name__ == "__main__":
    main()
