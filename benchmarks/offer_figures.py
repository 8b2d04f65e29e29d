"""Offers at a stated chance of a loss, played against simulated sellers of real Seattle homes.

Every sale of the judged year is a home whose worth is what it really sold for; the valuation has seen only
what was recorded before. The seller of each knows that worth, and takes no less than a share of it that
varies. An offer is made as the platform makes it; where it is taken, the home is resold for its worth.
Rows beside it: offers as if acceptance told nothing, and a year in which all prices fall by a tenth on a day.

``python benchmarks/offer_figures.py`` reads HKI_REAL_DATA; ``--json FILE`` keeps every figure.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
CUTOFF, TURN, FALL = "2016-01-01", "2016-07-01", 0.90
RISKS = (0.05, 0.10, 0.20)
SELLERS = {"rate": 0.80, "sd": 0.10}  # what the simulated sellers take
PLAYS = 20  # sellers drawn a home
CANNOT = 0.25  # no offer above this standard deviation, as in the room


def said(*, turns: bool) -> tuple[pd.DataFrame, Any]:
    """Return the judged sales with what was said of each before it, and errors known before the first.

    Prices fall on the day if it turns.
    """
    from hki_ml.mapping.loading import load_mapping
    from hki_ml.models.valuation.evaluate import Terms, backtest
    from hki_ml.pipeline.sale_frame import sale_frame
    from hki_ml.settings import load_settings

    file = load_settings().real_data / "seattle_repeat_sales" / "seattle_sales.parquet"
    mapping = load_mapping(ROOT / "mappings" / "seattle.toml")
    frame = sale_frame(file, mapping, as_of=datetime.now(UTC)).sales
    if turns:
        fallen = frame["sold_at"] >= pd.Timestamp(TURN, tz="UTC")
        frame = frame.assign(price_usd=frame["price_usd"].where(~fallen, FALL * frame["price_usd"]))
    found = backtest(frame, Terms(pd.Timestamp(CUTOFF, tz="UTC")))
    return found.predictions, found.valuer.calibration.outcomes


def offers(
    rows: pd.DataFrame, errors: dict[int, Any], *, risk: float, rate: float, sd: float
) -> np.ndarray[Any, Any]:
    """Return the offer for each home; none (missing) where the room would make no estimate."""
    from hki_ml.models.valuation.answer import Interval, InvestmentTerms
    from hki_ml.models.valuation.investment import invest

    terms = InvestmentTerms(
        holding_months=0.0, target_margin_rate=0.0, loss_probability=risk,
        seller_minimum_rate=rate, seller_minimum_sd=sd,
    )  # fmt: skip
    found = np.full(len(rows), np.nan)
    for at, row in enumerate(rows.to_dict("records")):
        spans = {
            f"p{k}": Interval(row[f"p{k}_low_usd"], row[f"p{k}_high_usd"]) for k in (68, 80, 95)
        }
        value = row["value_usd"]
        if (spans["p68"].high - spans["p68"].low) / 2 <= CANNOT * value:
            deal = invest(
                spans, value=value, repaired_value=value, terms=terms, errors=errors[row["week"]]
            )
            found[at] = deal.maximum_allowable_offer_usd or np.nan
    return found


def day_of(rows: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return the day of each sale since 1970-01-01."""
    return rows["sold_at"].dt.tz_localize(None).to_numpy("datetime64[D]").astype(np.int64)


def weekly(rows: pd.DataFrame, first: Any) -> dict[int, Any]:
    """Return how errors lie as known at the start of each week: the first outcomes, and sales since."""
    from hki_ml.learning.intervals import errors_of

    unit = np.quantile(first.score, 0.95)
    own = np.log(rows["price_usd"] / rows["value_usd"]) / np.log(
        rows["p95_high_usd"] / rows["value_usd"]
    )
    day = day_of(rows)
    signed = np.concatenate([first.signed / unit, own.to_numpy()])
    days = np.concatenate([first.day, day])
    return {int(w): errors_of(signed, days, as_of=int(w)) for w in rows["week"].unique()}


def minimums(worth: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """Return what each of ``PLAYS`` sellers a home takes, shape ``(homes, PLAYS)``."""
    made = np.random.default_rng(seed)
    spread = made.logistic(0, SELLERS["sd"] * np.sqrt(3) / np.pi, (len(worth), PLAYS))
    return np.asarray(SELLERS["rate"] * worth[:, None] * np.exp(spread))


def learned(rows: pd.DataFrame, least: np.ndarray[Any, Any]) -> Any:
    """Return what offers of the first quarter, at 60 to 100 % of the value, tell of sellers."""
    from hki_ml.models.valuation.sellers import sellers_of

    value = rows["value_usd"].to_numpy()
    fsd = ((rows["p68_high_usd"] - rows["p68_low_usd"]) / 2 / rows["value_usd"]).to_numpy()
    tried = value * np.random.default_rng(2).uniform(0.6, 1.0, len(value))
    return sellers_of(tried, value, fsd, least[:, 0] <= tried)


def realised(
    rows: pd.DataFrame, offer: np.ndarray[Any, Any], least: np.ndarray[Any, Any]
) -> dict[str, Any]:
    """Return how many offers were taken and which share of those lost, with a 95 % interval over homes."""
    from hki_ml.metrics.clusters import clustered
    from hki_ml.models.valuation.answer import InvestmentTerms

    taken = (least <= offer[:, None]).sum(axis=1).astype(float)
    proceeds = rows["price_usd"].to_numpy() * (1 - InvestmentTerms().selling_cost_rate)
    lost = (proceeds < offer).astype(float)
    gain = np.where(np.isnan(offer), 0.0, proceeds - offer)
    homes = rows["sale_id"].to_numpy()
    rate = clustered(
        lambda w: float((w * taken * lost).sum() / (w * taken).sum()), homes, draws=500
    )
    return {
        "offers": int(np.isfinite(offer).sum() * PLAYS), "accepted": int(taken.sum()),
        "loss": rate.value, "low": rate.low, "high": rate.high,
        "median offer share": float(np.nanmedian(offer / rows["value_usd"])),
        "gain an accepted offer": float((taken * gain).sum() / max(taken.sum(), 1.0)),
    }  # fmt: skip


def year(*, turns: bool) -> list[dict[str, Any]]:
    """Return a row a stated risk and way of offering, from the second quarter on."""
    rows, first = said(turns=turns)
    rows["week"] = 7 * (day_of(rows) // 7)
    errors = weekly(rows, first)
    least = minimums(rows["price_usd"].to_numpy(), seed=5)
    early = (rows["sold_at"] < pd.Timestamp("2016-04-01", tz="UTC")).to_numpy()
    known = learned(rows[early], least[early])
    print("sellers as learned:", known, flush=True)
    rows, least = rows[~early].reset_index(drop=True), least[~early]
    since = (rows["sold_at"] - pd.Timestamp(TURN, tz="UTC")).dt.days.to_numpy()
    parts = {"April to December": np.ones(len(rows), bool)}
    if turns:
        parts |= {
            "before the turn": since < 0, "the first 30 days after": (since >= 0) & (since < 30),
            "later": since >= 30,
        }  # fmt: skip
    found = []
    ways = {
        "ours": {"rate": known.minimum_rate, "sd": known.minimum_sd},
        "as if acceptance told nothing": {"rate": known.minimum_rate, "sd": 3.0},
    }
    for risk in RISKS:
        for way, terms in ways.items():
            offer = offers(rows, errors, risk=risk, **terms)
            for name, part in parts.items():
                told = realised(rows[part], offer[part], least[part])
                found.append({"turn": turns, "part": name, "stated": risk, "way": way, **told})
                print(found[-1], flush=True)
    return found


def main() -> None:
    """Play both years."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--json", type=Path)
    args = asked.parse_args()
    found = [*year(turns=False), *year(turns=True)]
    print(table(found))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


def table(found: list[dict[str, Any]]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| prices | when | stated | offers | homes' sellers who accept | lost | off by |",
        "|---|---|---:|---|---:|---:|---:|",
    ]
    for row in found:
        lost = f"{100 * row['loss']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
        lines.append(
            f"| {'fall by a tenth' if row['turn'] else 'as they were'} | {row['part']} "
            f"| {row['stated']:.0%} | {row['way']} | {row['accepted']:,} of {row['offers']:,} | {lost} "
            f"| {100 * (row['loss'] - row['stated']):+.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
