from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hki_ml.errors import ArtifactRefused, BadInput, NotEnoughData
from hki_ml.learning.intervals import LEVELS
from hki_ml.models.valuation.artifact import load, save
from hki_ml.models.valuation.evaluate import Terms, backtest
from hki_ml.models.valuation.homes import Homes
from hki_ml.models.valuation.labels import screen
from hki_ml.models.valuation.predict import Valuer
from hki_ml.models.valuation.train import train

_spec = importlib.util.spec_from_file_location("city", Path(__file__).parent / "city.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
city, QUICK = _module.city, _module.QUICK

NOW = pd.Timestamp("2021-10-01")


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    return city()


@pytest.fixture(scope="module")
def valuer(sales: pd.DataFrame) -> Valuer:
    return train(sales, as_of=NOW, seed=3, effort=QUICK)


@pytest.fixture(scope="module")
def homes(sales: pd.DataFrame) -> pd.DataFrame:
    return sales[sales.sold_at >= NOW].reset_index(drop=True)


def test_a_value_is_near_what_the_home_sells_for(valuer: Valuer, homes: pd.DataFrame) -> None:
    said = valuer.predict(homes, homes.sold_at)
    error = np.abs(said.value_usd / homes.price_usd - 1)
    assert error.median() < 0.12


def test_a_batch_says_what_one_by_one_says(valuer: Valuer, homes: pd.DataFrame) -> None:
    together = valuer.predict(homes.head(30), NOW)
    alone = pd.concat([valuer.predict(homes.iloc[[i]], NOW) for i in range(30)])
    pd.testing.assert_frame_equal(together, alone, check_exact=True)


def test_price_id_address_and_column_order_move_the_value_by_nothing(
    valuer: Valuer, homes: pd.DataFrame
) -> None:
    changed = homes.assign(
        price_usd=1.0, list_price_usd=9e9, property_id="other", sale_id="x", address="1 Elm Street"
    )
    changed = changed[changed.columns[::-1]]
    plain, moved = valuer.predict(homes, NOW), valuer.predict(changed, NOW)
    pd.testing.assert_frame_equal(plain, moved, check_exact=True)


def test_a_sale_after_as_of_is_never_seen(sales: pd.DataFrame, valuer: Valuer) -> None:
    later = sales.copy()
    later.loc[later.sold_at >= NOW, "price_usd"] *= 10
    again = train(later, as_of=NOW, seed=3, effort=QUICK)
    some = sales.tail(20)
    assert (again.predict(some, NOW).value_usd == valuer.predict(some, NOW).value_usd).all()


def test_a_sale_of_the_same_day_is_not_leaned_on(valuer: Valuer, sales: pd.DataFrame) -> None:
    known = valuer.observe(sales, as_of=pd.Timestamp("2022-01-01"))
    day_of = dict(zip(sales.sale_id, sales.sold_at, strict=True))
    asked = sales[sales.sold_at >= NOW]
    for row, used in zip(
        asked.sold_at, known.predict(asked, asked.sold_at).comparables, strict=True
    ):
        assert used
        assert max(day_of[s] for s in used) < row


def test_bounds_lie_around_the_value_and_widen_with_the_level(
    valuer: Valuer, homes: pd.DataFrame
) -> None:
    said = valuer.value(Homes.of(homes, as_of=NOW))
    assert said.reach.shape == (len(homes), len(LEVELS))
    assert (np.diff(said.reach, axis=1) > 0).all()
    assert (said.reach > 0).all()


def test_the_same_sales_and_seed_give_the_same_bytes(
    sales: pd.DataFrame, valuer: Valuer, tmp_path: Path
) -> None:
    shuffled = sales.sample(frac=1, random_state=1)
    save(valuer, tmp_path / "a")
    save(train(shuffled, as_of=NOW, seed=3, effort=QUICK), tmp_path / "b")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_a_model_that_was_judged_already_is_what_the_final_one_is_calibrated_by(
    sales: pd.DataFrame, tmp_path: Path
) -> None:
    cutoff, end = pd.Timestamp("2021-06-01"), pd.Timestamp("2022-01-01")
    judged = backtest(sales, Terms(cutoff, seed=3), effort=QUICK).valuer
    for name in ("a", "b"):
        made = train(sales, as_of=end, seed=3, effort=QUICK, first=judged.core)
        save(made, tmp_path / name)
    assert made.calibration.outcomes.day.min() >= judged.core.evidence.until
    assert len(made.calibration.outcomes) == (sales.sold_at >= cutoff).sum()
    assert made.core.evidence.until > judged.core.evidence.until
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_what_is_loaded_says_what_was_saved(
    valuer: Valuer, homes: pd.DataFrame, tmp_path: Path
) -> None:
    save(valuer, tmp_path)
    pd.testing.assert_frame_equal(
        load(tmp_path).predict(homes, NOW), valuer.predict(homes, NOW), check_exact=True
    )


@pytest.mark.parametrize("name", ["model.json", "arrays.npz", "booster.txt", "manifest.json"])
def test_an_altered_file_is_refused(valuer: Valuer, tmp_path: Path, name: str) -> None:
    save(valuer, tmp_path)
    (tmp_path / name).write_bytes(b"{}" if name == "manifest.json" else b"x")
    with pytest.raises(ArtifactRefused):
        load(tmp_path)


def test_arrays_that_predict_otherwise_than_the_native_libraries_are_refused(
    valuer: Valuer, tmp_path: Path
) -> None:
    save(valuer, tmp_path)
    with np.load(tmp_path / "arrays.npz") as stored:
        arrays = dict(stored)
    arrays["reference/native"] = arrays["reference/native"] + 1e-3
    np.savez_compressed(tmp_path / "arrays.npz", **arrays)
    from hki_ml.learning.manifest import digest

    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["files"]["arrays.npz"] = digest(tmp_path / "arrays.npz")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactRefused, match="native"):
        load(tmp_path)


@pytest.mark.parametrize("case", ["no place", "months", "no area", "few facts", "one area unknown"])
def test_cities_that_lack_something_are_valued_all_the_same(case: str) -> None:
    sales = city(700, located=case != "no place", months=case == "months")
    if case == "no area":
        sales["area"] = None
    if case == "few facts":
        sales = sales[["sale_id", "property_id", "sold_at", "price_usd", "living_sqft"]]
    asked = sales.tail(5).copy()
    if case == "one area unknown":
        asked["area"] = "nobody has been there"
    said = train(sales, as_of=NOW, seed=0, effort=QUICK).predict(asked, NOW)
    assert np.isfinite(said.drop(columns="comparables").to_numpy(float)).all()


def test_too_few_sales_are_refused_in_words() -> None:
    with pytest.raises(NotEnoughData, match="200"):
        train(city(100), as_of=NOW, effort=QUICK)


def test_sales_of_one_day_are_refused() -> None:
    with pytest.raises(NotEnoughData, match="different days"):
        train(city(400).assign(sold_at=pd.Timestamp("2020-05-05")), as_of=NOW, effort=QUICK)


def test_a_frame_without_prices_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="price_usd"):
        train(city(10).drop(columns="price_usd"), as_of=NOW)


def test_a_backtest_measures_both_regimes_and_all_challengers(sales: pd.DataFrame) -> None:
    result = backtest(sales, Terms(NOW, seed=1), effort=QUICK)
    told = result.as_json()
    json.dumps(told)
    for regime in ("as_known", "strict"):
        assert set(told[f"side by side, {regime}"]) >= {  # type: ignore[arg-type]
            "ours", "LightGBM alone", "RandomForest + network", "comparables alone",
        }  # fmt: skip
        assert f"overall, {regime}" in str(result)


def test_odd_sales_are_set_aside_with_their_reason(sales: pd.DataFrame) -> None:
    odd = sales.head(12).copy().reset_index(drop=True)
    odd["sale_id"] = [f"odd{i}" for i in range(12)]
    odd["sold_at"] = pd.Timestamp("2020-02-03 12:00")
    odd["property_id"] = [f"q{i}" for i in range(12)]
    odd.loc[0, "price_usd"] = -1.0
    odd.loc[1, "price_usd"] = np.inf
    odd.loc[2, "price_usd"] = 10.0
    odd.loc[3, "sold_at"] = pd.Timestamp("2030-01-01")
    odd.loc[4, "sold_at"] = pd.NaT
    odd.loc[5:7, ["price_usd", "area"]] = [777_777.0, "east n"]
    odd.loc[8, ["property_id", "price_usd"]] = ["twice", 500_000.0]
    odd.loc[9, ["property_id", "price_usd"]] = ["twice", 500_000.0]
    told = screen(pd.concat([sales, odd], ignore_index=True), as_of=NOW).quarantined
    reason = told[told.sale_id.str.startswith("odd")].set_index("sale_id").reason.to_dict()
    assert reason == {
        "odd0": "price_not_positive", "odd1": "price_not_positive", "odd2": "nominal_price",
        "odd3": "not_before_as_of", "odd4": "not_before_as_of", "odd9": "duplicate",
        "odd5": "several_homes_one_price", "odd6": "several_homes_one_price",
        "odd7": "several_homes_one_price",
    }  # fmt: skip
