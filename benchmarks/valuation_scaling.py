"""How the cost of features grows with the number of sales: CPU seconds, and per n log n, as text and plot.

    python benchmarks/valuation_scaling.py [--plot docs/plots/valuation_scaling.svg]

Every row of New York's record stands for a sale here, gifts and transfers too (their price raised to
10,000 USD): the cost is the question, not the figures. One thread; indexing the sales and looking at
each of them as of its own day, compiled before the clock starts.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
from valuation_figures import new_york

from hki_ml.models.valuation.core import SaleBook
from hki_ml.models.valuation.evidence import Geography, Metric, gather
from hki_ml.models.valuation.features import look
from hki_ml.models.valuation.hedonic import Hedonic, fit_hedonic
from hki_ml.models.valuation.market import MarketIndex, TradeNotes, fit_market, month_number

SIZES = (20_000, 43_000, 90_000, 180_000, 411_003)
METRIC = Metric(0.3, 1.5, 0.15, (0, 1, 2, 3, 4, 5), 0.5, 1.0)
WIDTH, HEIGHT, MARGIN = 640, 400, 60


def prepared(book: SaleBook) -> tuple[Hedonic, MarketIndex]:
    """Learn the worth of facts and the market from some sales."""
    month = month_number(book.homes.day)
    fitted = fit_hedonic(book.homes, month=month - month.min(), log_price=book.log_price)
    area = book.homes.category("area")
    notes = TradeNotes(book.homes.day, area, book.home_id, fitted.residual, fitted.weight)
    return fitted.model, fit_market(notes)


def seconds(book: SaleBook, hedonic: Hedonic, market: MarketIndex) -> float:
    """Return the CPU seconds that all features of all sales take."""
    started = time.process_time()
    evidence = gather(
        book.homes,
        book.log_price,
        hedonic=hedonic,
        geography=Geography.of(book.homes),
        metric=METRIC,
    ).as_seen(market, hedonic)
    look(book.homes, hedonic=hedonic, market=market, evidence=evidence)
    return time.process_time() - started


def measure(sales: pd.DataFrame) -> list[tuple[int, float]]:
    """Return size and seconds of each of `SIZES`, of samples without replacement."""
    chance = np.random.default_rng(0)

    def sample(n: int) -> SaleBook:
        rows = np.sort(chance.choice(len(sales), min(n, len(sales)), replace=False))
        return SaleBook.of(sales.iloc[rows].reset_index(drop=True))

    first = sample(SIZES[0])
    hedonic, market = prepared(first)
    seconds(first, hedonic, market)  # compiles
    found = []
    for n in SIZES:
        book = sample(n)
        found.append((len(book), seconds(book, hedonic, market)))
        size, took = found[-1]
        print(
            f"{size:>8,} sales {took:7.2f} s {1e6 * took / (size * math.log(size)):6.2f} µs per n ln n"
        )
    return found


def svg(found: list[tuple[int, float]]) -> str:
    """Return a plot of seconds over sales on log scales, beside n ln n through the first point."""
    ideal = [
        (n, found[0][1] * n * math.log(n) / (found[0][0] * math.log(found[0][0]))) for n, _ in found
    ]
    low, high = (math.log(f(s for _, s in found + ideal)) for f in (min, max))
    left, right = math.log(found[0][0]), math.log(found[-1][0])

    def at(n: float, s: float) -> str:
        x = MARGIN + (math.log(n) - left) / (right - left) * (WIDTH - 2 * MARGIN)
        y = HEIGHT - MARGIN - (math.log(s) - low) / (high - low) * (HEIGHT - 2 * MARGIN)
        return f"{x:.1f},{y:.1f}"

    lines, text = [], 'font-family="sans-serif" font-size="12"'
    for points, style in (
        (found, 'stroke="#205080"'),
        (ideal, 'stroke="#888" stroke-dasharray="6 4"'),
    ):
        path = " ".join(at(*point) for point in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke-width="2" {style}/>')
    for n, s in found:
        x, y = at(n, s).split(",")
        lines.append(f'<circle cx="{x}" cy="{y}" r="4" fill="#205080"/>')
        lines.append(
            f'<text x="{x}" y="{float(y) - 10:.1f}" text-anchor="end" {text}>{s:.1f} s</text>'
        )
        lines.append(
            f'<text x="{x}" y="{HEIGHT - MARGIN + 20}" text-anchor="middle" {text}>{n:,}</text>'
        )
    title = "Features of all sales: CPU seconds on one thread; dashed: n ln n from the first point"
    lines.append(f'<text x="{WIDTH / 2}" y="24" text-anchor="middle" {text}>{title}</text>')
    lines.append(
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 16}" text-anchor="middle" {text}>sales</text>'
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
    white = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    return "\n".join([head, white, *lines, "</svg>", ""])


def main() -> None:
    """Measure, print and plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path, default=Path("docs/plots/valuation_scaling.svg"))
    asked = parser.parse_args()
    sales = new_york(market_only=False).sort_values("sold_at").reset_index(drop=True)
    sales["price_usd"] = sales["price_usd"].clip(lower=10_000).fillna(10_000)
    found = measure(sales)
    asked.plot.parent.mkdir(parents=True, exist_ok=True)
    asked.plot.write_text(svg(found), encoding="utf-8")


if __name__ == "__main__":
    main()
