"""From a deal's state and the other rooms' answers to its risk: one dot product and some draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from hki_ml.models.risk.answer import Others, RiskAnswer, band_of
from hki_ml.models.risk.costs import loss_of
from hki_ml.models.risk.design import Design
from hki_ml.models.risk.explain import facts_of, sub_scores
from hki_ml.models.risk.features import as_signed, is_signed, liens_of, table
from hki_ml.models.risk.labels import CONTRACT_DAYS

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RiskAssessor:
    """A trained model; ``note`` says how it was trained and goes into the manifest.

    Attributes
    ----------
    typical
        Share of contracts that fell through.
    means
        Of the columns in training: reasons are told against them.
    """

    design: Design
    intercept: float
    weights: FloatArray
    typical: float
    means: FloatArray
    note: Mapping[str, object]
    version: str = ""

    def probabilities(self, rows: pd.DataFrame) -> FloatArray:
        """Return how likely each row is lost: rows of contracts, or of decided cases."""
        said: FloatArray = expit(self.intercept + self.design.matrix(table(rows)) @ self.weights)
        return said

    def answer(self, state: Mapping[str, Any], others: Others, *, as_of: datetime) -> RiskAnswer:
        """Return what can go wrong with a deal and what it costs.

        Parameters
        ----------
        state
            A row of ``tables.LEAD_STATE``. Without a contract in it the answer is that of a contract
            signed now.
        others
            What the other rooms say; what is missing is taken from the state, else assumed aloud.
        """
        at = as_of.timestamp()
        is_open = is_signed(state)
        asked = dict(state) if is_open else as_signed(state, at)
        others = with_state(others, state)
        row = pd.DataFrame([asked]).assign(
            event_timestamp=pd.Timestamp(as_of).as_unit("us"), **{CONTRACT_DAYS: 0.0}
        )
        columns = self.design.matrix(table(row))[0]
        probability = float(expit(self.intercept + float(columns @ self.weights)))
        owed = sum(lien["amount_usd"] or 0.0 for lien in liens_of(state.get("property_liens_json")))
        facts = facts_of(state)
        loss = loss_of(
            str(state.get("lead_id") or state.get("lead_created_at_us")), probability, self.typical,
            others, liens_usd=owed, needs_work=facts.get("condition") == "needs_work",
        )  # fmt: skip
        told = sub_scores(self, asked, others, columns, probability, loss.unsold_probability)
        return RiskAnswer(
            fall_through_probability=probability,
            expected_loss_usd=loss.expected_usd,
            tail_loss_usd=loss.tail_usd,
            band=band_of(probability, loss.expected_usd, others.ask_usd or others.value_usd),
            sub_scores=told,
            is_if_signed_now=not is_open,
            version=self.version,
        )

    def named(self, version: str) -> RiskAssessor:
        """Return the same model under a version's name."""
        return replace(self, version=version)


def with_state(others: Others, state: Mapping[str, Any]) -> Others:
    """Return the other rooms' answers, with what the state knows where they said nothing."""
    count = _number(state.get("comparable_properties_count"))
    return replace(
        others,
        value_usd=others.value_usd or _number(state.get("property_value_estimate")),
        value_fsd=others.value_fsd or _number(state.get("property_value_fsd")),
        ask_usd=others.ask_usd or _number(state.get("lead_asking_price_usd")),
        comparables=others.comparables
        if others.comparables is not None or count is None
        else int(count),
    )


def _number(value: object) -> float | None:
    if isinstance(value, int | float | np.floating) and np.isfinite(value):
        return float(value)
    return None


def load(folder: Path, version: str = "") -> RiskAssessor:
    """Return the model that was saved, its files verified.

    Raises
    ------
    ArtifactRefused
        If a file is not what the manifest says.
    """
    from hki_ml.models.risk import artifact

    return artifact.load(folder).named(version)
