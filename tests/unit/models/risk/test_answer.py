from __future__ import annotations

import json
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as laws
from hypothesis import strategies as st

from hki_ml.errors import ArtifactRefused
from hki_ml.models.risk import artifact, room
from hki_ml.models.risk.answer import BANDS, Others
from hki_ml.models.risk.costs import unsold_probability
from hki_ml.models.risk.features import LIEN_KINDS
from hki_ml.models.risk.predict import load

NAMES = "title legal price liquidity condition data concentration fall_through".split()  # noqa: SIM905
lien = st.fixed_dictionaries({
    "kind": st.sampled_from(LIEN_KINDS),
    "amount_usd": st.one_of(st.none(), st.floats(1, 400_000)),
})  # fmt: skip


def with_liens(state, liens):
    told = [{**each, "recorded_at": 1.4e9, "event_id": f"e{at}"} for at, each in enumerate(liens)]
    return {**state, "property_liens_json": json.dumps(told) if told else None}


def asked(contracts, at):
    row = contracts.iloc[at % len(contracts)]
    return row.to_dict(), row["event_timestamp"].to_pydatetime()


@laws(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, 2_000),
    liens=st.lists(lien, max_size=3),
    more=lien,
    value=st.one_of(st.none(), st.floats(50_000, 3_000_000)),
    price=st.one_of(st.none(), st.floats(50_000, 3_000_000)),
    buyers=st.one_of(st.none(), st.integers(0, 40)),
)
def test_adding_a_lien_never_lowers_the_risk(  # noqa: PLR0913, PLR0917 - one a strategy
    model, contracts, at, liens, more, value, price, buyers
):
    state, as_of = asked(contracts, at)
    others = Others(value_usd=value, value_fsd=0.15, ask_usd=price, buyers=buyers)
    before = model.answer(with_liens(state, liens), others, as_of=as_of)
    after = model.answer(with_liens(state, [*liens, more]), others, as_of=as_of)
    assert after.fall_through_probability >= before.fall_through_probability
    assert after.expected_loss_usd >= before.expected_loss_usd
    assert after.tail_loss_usd >= before.tail_loss_usd
    assert BANDS.index(after.band) >= BANDS.index(before.band)
    title = [
        {each.name: each.score for each in said.sub_scores}["title"] for said in (before, after)
    ]
    assert title[1] >= title[0]


def test_an_answer_holds_every_sub_score_with_reasons_and_where_they_come_from(model, contracts):
    state, as_of = asked(contracts, 5)
    said = model.answer(
        with_liens(state, [{"kind": "tax", "amount_usd": 4_200.0}]),
        Others(value_usd=500_000, value_fsd=0.1, ask_usd=450_000, buyers=4, best_match=0.3),
        as_of=as_of,
    )
    assert [each.name for each in said.sub_scores] == NAMES
    for each in said.sub_scores:
        assert 0 <= each.score <= 100
        assert each.reasons
        assert each.provenance
    title = said.sub_scores[0]
    assert title.reasons == ("tax lien of $4,200, recorded 2014-05-13",)
    assert "lien.recorded e0" in title.provenance
    assert said.tail_loss_usd >= said.expected_loss_usd >= 0
    assert not said.is_if_signed_now


def test_the_same_question_has_the_same_answer(model, contracts):
    state, as_of = asked(contracts, 9)
    others = Others(value_usd=400_000, ask_usd=390_000)
    assert model.answer(state, others, as_of=as_of) == model.answer(state, others, as_of=as_of)


def test_a_lead_without_a_contract_is_answered_as_if_one_were_signed_now(model, contracts):
    state, as_of = asked(contracts, 3)
    open_lead = {**state, "lead_moments_json": None}
    said = model.answer(open_lead, Others(), as_of=as_of)
    assert said.is_if_signed_now
    assert 0 < said.fall_through_probability < 1


def test_a_higher_price_never_costs_less(model, contracts):
    state, as_of = asked(contracts, 11)
    losses = [
        model.answer(
            state, Others(value_usd=400_000, value_fsd=0.12, ask_usd=price), as_of=as_of
        ).expected_loss_usd
        for price in (300_000, 350_000, 400_000, 450_000, 500_000)
    ]
    assert losses == sorted(losses)


def test_more_buyers_sell_sooner():
    chances = [unsold_probability(buyers, None) for buyers in (0, 2, 5, 20)]
    assert chances == sorted(chances, reverse=True)
    assert unsold_probability(None, None) == pytest.approx(1 / 3)


def test_what_is_saved_answers_the_same_and_is_refused_when_touched(model, contracts, tmp_path):
    artifact.save(model, tmp_path / "model")
    again = load(tmp_path / "model", "7")
    state, as_of = asked(contracts, 1)
    ours, theirs = (each.answer(state, Others(), as_of=as_of) for each in (model, again))
    assert ours.fall_through_probability == theirs.fall_through_probability
    assert theirs.version == "7"
    (tmp_path / "model" / "model.json").write_text("{}")
    with pytest.raises(ArtifactRefused):
        load(tmp_path / "model")


def test_an_answer_is_quick(model, contracts):
    state, as_of = asked(contracts, 1)
    model.answer(state, Others(), as_of=as_of)
    begun = time.process_time()
    for _ in range(20):
        model.answer(state, Others(value_usd=4e5, ask_usd=4e5), as_of=as_of)
    assert (time.process_time() - begun) / 20 < 0.05


def test_probabilities_tell_lost_contracts_and_bands_rise(report):
    found = report.as_json()
    assert found["contracts"]["ours"]["AUC"]["value"] > 0.75
    lost = [row["lost"]["value"] for row in found["bands"].values()]
    assert lost == sorted(lost)
    assert np.isfinite(report.losses["loss"]).all()


def test_a_trial_is_judged_the_same_after_it_was_written_down(report):
    told = report.as_json()
    stored = json.loads(json.dumps(told, sort_keys=True))
    assert room.problems(stored) == room.problems(told) == ()
    low, high = stored["bands"]["Low"], stored["bands"]["High"]
    swapped = {**stored, "bands": {**stored["bands"], "Low": high, "High": low}}
    assert "bands" in room.problems(swapped)[0]


def test_whoever_watches_it_hears_what_it_answers(model, contracts, tmp_path):
    room.save(model, tmp_path, notes={})
    speaker = room.speaker(tmp_path)
    first = contracts[contracts["contract_days"] == 0].iloc[:20]
    said = 1 / (1 + np.exp(-speaker.margin(speaker.table(first))))
    assert said == pytest.approx(model.probabilities(first), abs=1e-12)
    assert not set(speaker.names) - set(speaker.table(first))
