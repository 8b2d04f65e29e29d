"""Why a lead is quicker or slower than the typical one, and what of ours might bring it forward."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.lead_clock import KINDS, STAGE_OF_KIND
from hki_ml.learning.lead_features import FACTORS, factor_of
from hki_ml.models.time_to_close.answer import Opportunity, RiskFactor
from hki_ml.models.time_to_close.cox import Cox
from hki_ml.models.time_to_close.features import STAGE, Lens

if TYPE_CHECKING:
    from hki_ml.models.time_to_close.predict import Curve, TimeToClose

FloatArray = NDArray[np.float64]

STEPS: dict[str, str] = {
    "contact_now": "lead.contacted",
    "set_appointment": "lead.appointment_set",
    "make_offer": "lead.offer_made",
}
"""What we can do about a lead, and the activity that it would be."""
Z95 = 1.959964
PROBABILITY_DAYS = 90.0
WORDS = {
    "contact_now": "leads with a fresh contact",
    "set_appointment": "leads with an appointment set now",
    "make_offer": "leads with an offer made now",
}


@dataclass(frozen=True, slots=True, eq=False)
class Typical:
    """What a lead is compared with: the mean covariates and the mean log baseline of those taught by.

    Attributes
    ----------
    log_mass
        Log of the whole baseline hazard, mean over strata as common as in training, shape ``(2,)``.
    stretch_share
        How much of all events of a cause falls into each stretch of time, shape ``(2, segments)``.
    """

    log_mass: FloatArray
    stretch_share: FloatArray

    @classmethod
    def of(cls, cox: Cox, stratum: NDArray[np.int64]) -> Typical:
        """Return what is typical of rows that teach; their covariates are 0 on average."""
        often = np.bincount(stratum, minlength=len(cox.baseline)) / len(stratum)
        segments = cox.coefficient.shape[1]
        share = np.stack(
            [
                cox.baseline[:, :, cox.cell_segment == s].sum(axis=2).T @ often
                for s in range(segments)
            ],
            axis=1,
        )
        total = np.maximum(share.sum(axis=1, keepdims=True), 1e-300)
        return cls(often @ _log_mass(cox), share / total)


def _log_mass(cox: Cox) -> FloatArray:
    """Return the log of each stratum's whole baseline, shape ``(strata, 2)``."""
    return np.asarray(np.log(np.maximum(cox.baseline.sum(axis=2), 1e-300)), np.float64)


def risk_factors(
    lens: Lens, cox: Cox, typical: Typical, covariates: FloatArray, stratum: int
) -> tuple[RiskFactor, ...]:
    """Return the hazard ratios by business factor, the strongest first; their logs add up.

    Where effects change over time their mean counts, by how many events fall into each stretch. The
    baseline of the lead's stage is part of its history.
    """
    effect = np.einsum("csd,cs->cd", cox.coefficient, typical.stretch_share) * covariates
    logs = {factor: np.zeros(2) for factor in FACTORS}
    for t, column in enumerate(lens.design.source):
        logs[factor_of(lens.design.names[column])] += effect[:, t]
    logs[factor_of(STAGE)] += _log_mass(cox)[stratum] - typical.log_mass
    ordered = sorted(logs.items(), key=lambda item: -abs(item[1][0]))
    return tuple(
        RiskFactor(factor, float(np.exp(both[0])), float(np.exp(both[1])))
        for factor, both in ordered
        if both.any()
    )


def opportunities(
    model: TimeToClose, state: Mapping[str, Any], moment_us: float, found: Curve, rises: FloatArray
) -> tuple[Opportunity, ...]:
    """Return the steps that would save days, the most first.

    The lead is asked about again with the step among its moments; the factors that made its curve meet
    a stated probability stay. Correlational: leads that got an offer differ from those that did not.
    """
    offers = []
    here = model.lens.of_state(state, moment_us)[0][0]
    for action, kind in STEPS.items():
        if not _is_open(state, moment_us, kind):
            continue
        after = with_moment(state, kind, moment_us)
        offers.append(_offer(model, after, moment_us, (found, rises, here), action))
    kept = [offer for offer in offers if offer.days_saved > 0]
    return tuple(sorted(kept, key=lambda offer: -offer.days_saved))


def with_moment(state: Mapping[str, Any], kind: str, moment_us: float) -> dict[str, Any]:
    """Return the state as if an activity had happened at that moment."""
    text = state.get("lead_moments_json")
    kinds, times = json.loads(text) if isinstance(text, str) and text else ([], [])
    more = [[*kinds, KINDS.index(kind)], [*times, moment_us / 1e6]]
    return {**state, "lead_moments_json": json.dumps(more)}


def _is_open(state: Mapping[str, Any], moment_us: float, kind: str) -> bool:
    """Tell whether a step is still to be done: no offer is advised where a contract is signed."""
    text = state.get("lead_moments_json")
    kinds, times = json.loads(text) if isinstance(text, str) and text else ([], [])
    reached = [
        STAGE_OF_KIND[k] for k, at in zip(kinds, times, strict=True) if at * 1e6 <= moment_us
    ]
    stage = STAGE_OF_KIND[KINDS.index(kind)]
    return kind == "lead.contacted" or max(reached, default=0) < stage


def _offer(
    model: TimeToClose, after: Mapping[str, Any], moment_us: float,
    before: tuple[Curve, FloatArray, FloatArray], action: str,
) -> Opportunity:  # fmt: skip
    from hki_ml.models.time_to_close.predict import Curve

    found, rises, here = before
    covariates, stratum = model.lens.of_state(after, moment_us)
    log_hazard = model.cox.log_hazard(covariates)[0]
    change = covariates[0] - here
    spread = np.sqrt(np.einsum("d,csde,e->cs", change, model.cox.covariance, change))
    days = []
    for side in (0.0, -Z95, Z95):
        moved = log_hazard + side * np.vstack([spread[0], np.zeros_like(spread[1])])
        then = Curve.of(model.cox.grid, model.mass(moved, int(stratum[0])) * rises)
        days.append(found.expected_days - then.expected_days)
        if side == 0.0:
            rise = then.closed_by(PROBABILITY_DAYS) - found.closed_by(PROBABILITY_DAYS)
    low, high = min(days), max(days)
    text = (
        f"{WORDS[action]} close {days[0]:.0f} days sooner than leads like this one "
        f"(95 %: {low:.0f} to {high:.0f}); nobody drew lots"
    )
    return Opportunity(action, "correlational", days[0], low, high, rise, text)
