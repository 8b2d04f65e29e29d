"""The events of deals: who was shown one, who looked, what was answered, who bought."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hki_ml.simulation import wire
from hki_ml.simulation.chance import uniforms_at
from hki_ml.simulation.deals import DECLINED, RESPONSES, VIEWED, Deals, Offers, deal_ids, offers
from hki_ml.simulation.homes import Homes
from hki_ml.simulation.investors import Investors, investor_events
from hki_ml.simulation.leads import DAY_US
from hki_ml.simulation.world import World, microseconds

IntArray = NDArray[np.int64]

HOUR_US = DAY_US // 24


def market_side(world: World, homes: Homes, who: Investors, what: Deals) -> Iterator[pl.DataFrame]:
    """Yield the events of investors, then of deals some at a time, that were received by the end."""
    until = microseconds(world.ends_at)
    yield _received(investor_events(who), until)
    for part, made, _ in offers(what, who):
        yield _received(_offered(homes, who, part, made), until)


def _received(parts: list[pl.DataFrame], until_us: int) -> pl.DataFrame:
    rows = pl.concat(parts).filter(pl.col("received_at").dt.timestamp("us") <= until_us)
    return wire.identified(rows).sort("received_at", "entity_id", "event_id")


def _offered(homes: Homes, who: Investors, what: Deals, made: Offers) -> list[pl.DataFrame]:
    draw = uniforms_at(what.key[made.deal], 9_000 + made.investor)
    shown = what.shown_us[made.deal] + made.investor * 1_000_000
    viewed = shown + ((0.5 + 20.0 * draw) * HOUR_US).astype(np.int64)
    answered = viewed + ((0.1 + 20.0 * draw) * HOUR_US).astype(np.int64)
    bought = what.shown_us[made.deal] + 3 * DAY_US
    said = pl.select(_said(homes, what, made.deal)).to_series()
    answer = wire.named(tuple(str(each) for each in RESPONSES), made.answer)
    responded = wire.said(
        dealId=wire.word(deal_ids(what).gather(made.deal)), response=wire.word(answer)
    )
    steps = [
        ("deal.offered", np.ones(len(shown), bool), shown, said),
        ("deal.viewed", made.answer >= VIEWED, viewed, said),
        ("deal.responded", made.answer >= DECLINED, answered, pl.select(responded).to_series()),
        ("deal.bought", made.has_bought, bought, said),
    ]
    return [_step(who, made, kind, at, properties.filter(pl.Series(which)), which)
            for kind, which, at, properties in steps]  # fmt: skip


def _step(
    who: Investors, made: Offers, kind: str, at: IntArray, properties: pl.Series,
    which: NDArray[np.bool_],
) -> pl.DataFrame:  # fmt: skip
    ids = who.ids.gather(made.investor[which])
    return wire.frame(kind, ids, at[which], at[which] + 2_000_000, properties=properties)


def _said(homes: Homes, what: Deals, deal: IntArray) -> pl.Expr:
    home = pl.Series([None] * len(what.number), dtype=pl.String)
    if len(homes.ids):
        home = wire.named(tuple(homes.ids), what.home)
    lead = pl.Series(np.char.add("lead_", what.number.astype(str)))
    return wire.said(
        dealId=wire.word(deal_ids(what).gather(deal)),
        propertyId=wire.word(home.gather(deal)),
        leadId=wire.word(lead.gather(deal)),
        priceUsd=wire.number(what.price)[deal],
    )
