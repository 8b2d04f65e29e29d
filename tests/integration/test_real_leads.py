"""Real funnels through our mappings: every row is accounted for, and nothing protected is learned from."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from hki_ml.learning.lead_features import feature_frame
from hki_ml.learning.lead_labels import closing_within, horizon_of
from hki_ml.mapping import load_mapping
from hki_ml.pipeline.lead_frame import lead_frame
from tests.conftest import ROOT

pytestmark = pytest.mark.real_data
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETS = {
    "bank_marketing": ("bank_marketing_uci/bank_additional_full.parquet", 41_188, (0.10, 0.13)),
    "online_shoppers": ("online_shoppers_uci/online_shoppers_intention.parquet", 12_330, (0.15, 0.16)),
    "hmda": ("hmda_mortgage_applications/hmda_applications.parquet", 26_144, (0.48, 0.52)),
    "olist": ("olist_marketing_funnel/olist_marketing_qualified_leads.parquet", 8_000, (0.05, 0.15)),
    "bpi2012": ("bpic2012_loan_applications/events.parquet", 262_200, (0.1, 0.4)),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_every_row_of_a_real_funnel_is_accounted_for(name: str, real_data: Path):
    file, rows, (low, high) = SETS[name]
    found = lead_frame(
        real_data / file, load_mapping(ROOT / "mappings" / f"{name}.toml"), as_of=NOW
    )
    tally = found.tally
    assert tally.read == rows
    assert tally.read == tally.accepted + tally.duplicates + tally.filtered + tally.refused.total()
    assert tally.refused.total() < 0.01 * rows
    known = closing_within(found.rows, horizon_of(found.rows))
    assert low < known.closed[known.matured].mean() < high


def test_no_feature_of_a_real_funnel_is_protected(real_data: Path):
    file, _, _ = SETS["hmda"]
    found = lead_frame(real_data / file, load_mapping(ROOT / "mappings" / "hmda.toml"), as_of=NOW)
    assert {"protected_race", "protected_sex", "protected_age"} <= set(found.rows.columns)
    features = feature_frame(found.rows.head(500))
    assert not any(
        word in name for name in features for word in ("race", "sex", "ethnic", "protected")
    )
    assert not any(
        "sex" in text or "race" in text for text in found.rows["lead_facts_json"].head(500)
    )
