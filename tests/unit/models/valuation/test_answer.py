"""What an answer claims of itself: drivers that add up, comparables that reconcile, or why there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from hki_ml.errors import FactOutOfRange
from hki_ml.metrics.ratio import ppe
from hki_ml.models.valuation.adjustments import MARKET
from hki_ml.models.valuation.answer import ComparableChoice
from hki_ml.models.valuation.appraiser import HIGHEST_FSD, Appraiser, _within
from hki_ml.models.valuation.homes import Homes, day_number
from hki_ml.models.valuation.predict import Values

from .conftest import CUTOFF, Office, facts

SOME = (0, 40, 90, 120, 160)


@pytest.mark.parametrize("row", SOME)
def test_typical_value_and_drivers_add_up_to_the_value(office: Office, row: int) -> None:
    said = office.ask(office.home(row))
    assert said.typical_value_usd is not None
    total = said.typical_value_usd + sum(driver.amount_usd for driver in said.drivers)
    assert total == pytest.approx(said.estimated_value_usd, rel=1e-6)


@pytest.mark.parametrize("row", SOME)
def test_a_fact_that_is_the_typical_homes_drives_nothing(office: Office, row: int) -> None:
    home = office.home(row)
    typical = office.appraiser.reference.typical_of(str(home["area"]))
    said = office.ask(home | {"lot_sqft": typical["lot_sqft"]})
    assert {d.factor: d.amount_usd for d in said.drivers}["lot"] == pytest.approx(0.0, abs=1e-6)


def test_a_larger_home_is_driven_up_by_its_size(office: Office) -> None:
    home = office.home(0)
    typical = office.appraiser.reference.typical_of(str(home["area"]))
    said = office.ask({**home, "living_sqft": float(str(typical["living_sqft"])) * 1.5})
    assert {d.factor: d.amount_usd for d in said.drivers}["size"] > 0


@pytest.mark.parametrize("row", SOME)
def test_price_and_lines_are_the_adjusted_price_to_the_cent(office: Office, row: int) -> None:
    said = office.ask(office.home(row))
    price = dict(zip(office.known.sale_id, office.known.price_usd, strict=True))
    assert len(said.comparables) == ComparableChoice().count
    for one in said.comparables:
        assert one.price_usd == pytest.approx(price[one.sale_id], abs=0.005)
        lines = sum(line.amount_usd for line in one.adjustments)
        assert one.price_usd + lines == pytest.approx(one.adjusted_price_usd, abs=0.005)


def test_an_adjusted_price_is_nearer_to_the_value_than_the_price_was(office: Office) -> None:
    before, after = [], []
    for row in range(0, 200, 10):
        said = office.ask(office.home(row))
        if said.estimated_value_usd is not None:
            value = np.log(said.estimated_value_usd)
            before += [abs(np.log(one.price_usd) - value) for one in said.comparables]
            after += [abs(np.log(one.adjusted_price_usd) - value) for one in said.comparables]
    assert np.median(after) < 0.9 * np.median(before)


@pytest.mark.parametrize("row", SOME)
def test_the_market_line_has_the_sign_of_the_index_since_the_sale(office: Office, row: int) -> None:
    home = office.home(row)
    market = office.appraiser.valuer.core.market
    area = np.array([home["area"]], dtype=object)
    for one in office.ask(home).comparables:
        theirs = np.array([one.facts["area"]], dtype=object)
        sold = np.array([day_number(pd.Timestamp(one.sold_at))])
        change = market.at(np.array([day_number(CUTOFF)]), area) - market.at(sold, theirs)
        line = next(line for line in one.adjustments if line.factor == MARKET)
        assert np.sign(line.amount_usd) == np.sign(change[0])


def test_an_excluded_sale_never_appears_and_the_model_looks_at_others(office: Office) -> None:
    home = office.home(3)
    plain = office.ask(home)
    most = tuple(one.sale_id for one in plain.comparables[:4])
    without = office.ask(home, choice=ComparableChoice(exclude=most))
    assert not {one.sale_id for one in without.comparables} & set(most)
    assert without.estimated_value_usd != plain.estimated_value_usd


def test_a_pinned_sale_always_appears_and_is_looked_at(office: Office) -> None:
    home = office.home(3)
    usual = {one.sale_id for one in office.ask(home, choice=ComparableChoice(count=20)).comparables}
    far = next(sale for sale in office.appraiser.valuer.core.book.sale_id if sale not in usual)
    said = office.ask(home, choice=ComparableChoice(pin=(str(far),)))
    assert [one.sale_id for one in said.comparables if one.pinned] == [far]
    assert said.estimated_value_usd != office.ask(home).estimated_value_usd


def test_a_sale_pinned_from_later_than_the_moment_asked_for_is_never_seen(office: Office) -> None:
    latest = str(office.appraiser.valuer.core.book.sale_id[-1])
    past = office.now - timedelta(days=200)
    pinned = office.ask(office.home(3), as_of=past, choice=ComparableChoice(pin=(latest,)))
    assert latest not in {one.sale_id for one in pinned.comparables}


@pytest.mark.parametrize("pin", ["nobody's", "both"])
def test_a_pin_that_cannot_be_kept_is_refused_with_its_place(office: Office, pin: str) -> None:
    known = str(office.appraiser.valuer.core.book.sale_id[0])
    choice = (
        ComparableChoice(pin=(known,), exclude=(known,))
        if pin == "both"
        else ComparableChoice(pin=(pin,))
    )
    with pytest.raises(FactOutOfRange, match="/comparables/pin"):
        office.ask(office.home(0), choice=choice)


def test_radius_and_months_are_kept(office: Office) -> None:
    choice = ComparableChoice(radius_km=1.0, months=6.0, count=20)
    wide = office.ask(office.home(5), choice=ComparableChoice(count=20)).comparables
    near = office.ask(office.home(5), choice=choice).comparables
    assert near
    assert max(one.distance_km or 0.0 for one in near) <= 1.0
    assert max(one.months_ago for one in near) <= 6.0
    assert max(one.months_ago for one in wide) > 6.0


def test_a_moment_in_the_past_sees_no_later_sale(office: Office) -> None:
    past = office.now - timedelta(days=180)
    said = office.ask(office.home(7), as_of=past)
    assert max(one.sold_at for one in said.comparables) < past
    inflated = office.known.assign(
        price_usd=office.known.price_usd.where(
            office.known.sold_at < past, office.known.price_usd * 3
        )
    )
    core = office.appraiser.valuer.core
    prices = dict(zip(inflated.sale_id, np.log(inflated.price_usd), strict=True))
    book = replace(core.book, log_price=np.array([prices[s] for s in core.book.sale_id]))
    told = replace(core, book=book, evidence=replace(core.evidence, log_price=book.log_price))
    other = Appraiser.of(replace(office.appraiser.valuer, core=told), version="2")
    again = replace(office, appraiser=other).ask(office.home(7), as_of=past)
    assert again.estimated_value_usd == said.estimated_value_usd


WITHOUT_ESTIMATE = {
    "no size": ({"living_sqft": None}, "living_sqft is not given"),
    "no place": ({"area": None, "latitude": None, "longitude": None}, "the home has no place"),
    "a palace": ({"living_sqft": 90_000.0}, "outside what the known sales reach"),
    "far away": ({"latitude": 46.9, "longitude": -122.3}, "km away"),
}


@pytest.mark.parametrize("case", WITHOUT_ESTIMATE)
def test_there_is_no_estimate_and_the_reason_is_told(office: Office, case: str) -> None:
    changed, reason = WITHOUT_ESTIMATE[case]
    home = {**office.home(0), **changed}
    said = office.ask({name: value for name, value in home.items() if value is not None})
    assert said.estimated_value_usd is None
    assert any(reason in told for told in said.reasons_against), said.reasons_against


def test_a_value_that_is_too_unsure_is_no_estimate(office: Office) -> None:
    fsd = office.appraiser.valuer.value(Homes.of(office.later, as_of=CUTOFF)).fsd
    unsure, sure = (office.ask(office.home(int(row))) for row in (fsd.argmax(), fsd.argmin()))
    assert fsd.max() > HIGHEST_FSD > fsd.min()
    assert any("standard deviation" in told for told in unsure.reasons_against)
    assert sure.fsd == pytest.approx(fsd.min())


def test_a_forecast_too_far_ahead_is_no_estimate(office: Office) -> None:
    said = office.ask(office.home(0), as_of=office.now + timedelta(days=700))
    assert any("months older" in told for told in said.reasons_against)


def test_too_few_comparables_are_no_estimate(office: Office) -> None:
    said = office.ask(office.home(0), choice=ComparableChoice(radius_km=0.001, months=0.1))
    assert any("fewer than 3" in told for told in said.reasons_against)


def test_confidence_is_the_share_of_prices_within_ten_percent(office: Office) -> None:
    valuer = office.appraiser.valuer.observe(
        office.later, as_of=pd.Timestamp("2015-01-01", tz="UTC")
    )
    said = valuer.value(Homes.of(office.later, as_of=office.later.sold_at))
    sure = np.array([_within(_row(said, i)) for i in range(len(office.later))])
    price = office.later.price_usd.to_numpy(float)
    fifth = np.digitize(sure, np.quantile(sure, [0.2, 0.4, 0.6, 0.8]))
    found = [ppe(price[fifth == k], said.usd[fifth == k]) for k in range(5)]
    assert found[4] > found[0] + 15
    assert np.corrcoef(np.arange(5), found)[0, 1] > 0.8
    assert 100 * sure.mean() == pytest.approx(ppe(price, said.usd), abs=5)


def _row(said: Values, row: int) -> Values:
    return Values(said.log_value[[row]], said.reach[[row]], said.view.take(np.array([row])))


def test_a_typical_home_has_its_areas_middle_facts_and_a_small_area_the_citys(
    office: Office,
) -> None:
    reference = office.appraiser.reference
    counts = office.known.area.value_counts()
    busiest = str(counts.index[0])
    core = office.appraiser.valuer.core.book.homes
    mine = core.category("area") == busiest
    middle = np.nanmedian(core.number("living_sqft")[mine])
    assert reference.typical_of(busiest)["living_sqft"] == pytest.approx(middle)
    assert reference.typical_of("nowhere") == reference.typical_of(None)


def test_the_home_as_sold_is_not_outside_what_sales_reach(office: Office) -> None:
    outside = [
        office.appraiser.reference.outside(facts(sale)) for _, sale in office.known.iterrows()
    ]
    assert np.mean([bool(told) for told in outside]) < 0.02


def test_a_fact_that_is_not_given_is_the_areas_typical_one_and_that_is_told(office: Office) -> None:
    home = office.home(0)
    typical = office.appraiser.reference.typical_of(str(home["area"]))
    silent = office.ask({name: value for name, value in home.items() if name != "lot_sqft"})
    spoken = office.ask(home | {"lot_sqft": typical["lot_sqft"]})
    assert dict(silent.assumed) == {"lot_sqft": typical["lot_sqft"]}
    assert dict(spoken.assumed) == {}
    assert silent.estimated_value_usd == spoken.estimated_value_usd


def test_every_fact_that_is_not_given_widens_the_intervals(office: Office) -> None:
    home = office.home(0)
    widths = []
    for left_out in ((), ("lot_sqft",), ("lot_sqft", "quality_grade")):
        said = office.ask({name: value for name, value in home.items() if name not in left_out})
        interval = said.intervals["p80"]
        widths.append(np.log(interval.high / interval.low))
    assert widths[0] < widths[1] < widths[2]


def test_a_home_of_whom_only_size_and_place_are_known_is_valued_with_doubt_or_not_at_all(
    office: Office,
) -> None:
    home = office.home(0)
    known = {name: home[name] for name in ("area", "latitude", "longitude", "living_sqft")}
    said, whole = office.ask(known), office.ask(home)
    assert whole.fsd is not None
    assert said.fsd is None or said.fsd > whole.fsd


def test_the_confidence_that_is_told_is_that_of_the_intervals_beside_it(office: Office) -> None:
    """A constant, or a number from elsewhere, would not move with what the answer says of itself."""
    answers = [office.ask(office.home(row)) for row in range(0, len(office.later), 4)]
    given = [said for said in answers if said.estimated_value_usd is not None]
    told = np.array([said.confidence for said in given])
    for level in ("p68", "p80", "p95"):
        width = [np.log(said.intervals[level].high / said.intervals[level].low) for said in given]
        assert spearmanr(told, width).statistic < -0.9


def test_switching_every_group_is_the_value_of_the_whole_ensemble(office: Office) -> None:
    """Drivers of one member, or of a stand-in, would end at another value."""
    for row in SOME:
        said = office.ask(office.home(row))
        frame = office.later.iloc[[row]]
        whole = office.appraiser.valuer.predict(frame, as_of=CUTOFF)["value_usd"].iloc[0]
        assert said.typical_value_usd is not None
        total = said.typical_value_usd + sum(driver.amount_usd for driver in said.drivers)
        assert total == pytest.approx(whole, rel=1e-6)
