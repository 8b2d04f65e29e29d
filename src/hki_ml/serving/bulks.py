"""Which models answer files, one line each; another model is another line."""

from __future__ import annotations

from hki_ml.batch.scorer import Bulk
from hki_ml.serving.bulk_columns import ACTIONS
from hki_ml.serving.bulk_deals import DealBulk
from hki_ml.serving.bulk_homes import HomeBulk
from hki_ml.serving.bulk_leads import LeadBulk

ROOMS = ("lead_scoring", "conversion", "time_to_close", "investor_matching", "risk")
"""What a risk is made of."""

BULKS: dict[str, Bulk] = {
    "lead_scoring": LeadBulk("lead_scoring", ("lead_scoring",), also=(ACTIONS,)),
    "conversion": LeadBulk("conversion", ("lead_scoring", "conversion")),
    "time_to_close": LeadBulk("time_to_close", ("lead_scoring", "conversion", "time_to_close")),
    "investor_matching": DealBulk("investor_matching", ("investor_matching",)),
    "risk": DealBulk("risk", ROOMS),
    "valuation": HomeBulk(),
}
"""Model → how it answers files."""
