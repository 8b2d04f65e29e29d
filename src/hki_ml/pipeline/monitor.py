"""The watch: every window since a champion learned is looked at once, and what lasts becomes an incident.

Verdicts are in the table before anybody hears of them. A window that was looked at is not looked at
again; one that was missed is looked at late. Broken data are to be mended, what drifted is to be learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from hki_ml.catalog import ROOMS
from hki_ml.learning.judged import HELD, WAITED
from hki_ml.models.lead_scoring.actions import LOTTERIES
from hki_ml.monitor_tables import MONITOR_CHECKS
from hki_ml.monitoring.business import Arms, conversion_gain, money_gain
from hki_ml.monitoring.check import Check, Rules, settled, unknown
from hki_ml.monitoring.features import (
    category_changes,
    feature_drift,
    habits_of,
    is_number,
    missing_values,
)
from hki_ml.monitoring.incident import Incident
from hki_ml.monitoring.outcomes import amounts, covered, order, yes_or_no
from hki_ml.monitoring.quality import outliers, units
from hki_ml.pipeline.alarms import (
    EVERY,
    Span,
    alarms,
    close_mended,
    close_settled,
    incident,
    row_of,
    written,
)
from hki_ml.pipeline.monitor_answers import Answers
from hki_ml.pipeline.monitor_frames import Seen, judged_now, seen
from hki_ml.pipeline.monitor_report import write_report
from hki_ml.pipeline.quality import WINDOW, data_quality
from hki_ml.settings import Settings
from hki_ml.wiring import Backend

log = structlog.get_logger()
FloatArray = NDArray[np.float64]

CHECKS = "monitor_checks"
RULES = Rules()
LATEST = timedelta(days=31)  # over which intervals have to hold
SINCE_IT_LEARNED = frozenset({"performance", "business", "fairness"})  # kinds that are of no window
FEW_VALUES = 10  # a number of so few values is a count or a flag: it has no range


@dataclass(frozen=True, slots=True)
class Monitored:
    """What was looked at: checks, incidents of this run, and where its reports lie."""

    checks: pa.Table
    incidents: tuple[Incident, ...]
    reports: tuple[str, ...] = ()


def monitor(backend: Backend, *, now: datetime, models: Sequence[str] | None = None) -> Monitored:
    """Look at the data, and at every window of the models that is over and was not looked at yet.

    Parameters
    ----------
    models
        Which; all of them by default, none with an empty list.

    Returns
    -------
    Checks that are new, incidents that are new, and the paths of reports.
    """
    quality = data_quality(backend, now=now)
    day = Span(EVERY, None, now - WINDOW, now)
    rows = [row_of(day, check, now) for check in quality.checks]
    found = [
        incident(day, "data_quality", problem.subject, problem.reason, problem.since, now)
        for problem in quality.found
    ]
    close_mended(backend.lake, day.begin, [each.subject for each in quality.found], now)
    reports: list[str] = []
    learned: dict[str, datetime] = {}
    for model in ROOMS if models is None else models:
        what = seen(backend, model, now=now)
        if isinstance(what, str):
            log.info("nothing_to_watch", model=model, why=what)
            continue
        learned[model] = what.since
        mine, incidents, pages = _watch(backend, what, now)
        close_settled(backend.lake, model, mine, now)
        rows += mine
        found += incidents
        reports += pages
    checks = pa.Table.from_pylist(rows, schema=MONITOR_CHECKS)
    known = _known_checks(backend)
    checks = checks.filter(pa.array([each not in known for each in checks["check_id"].to_pylist()]))
    if checks.num_rows:
        backend.lake.append(CHECKS, checks)
    return Monitored(checks, written(backend, found, learned), tuple(reports))


def _known_checks(backend: Backend) -> set[str]:
    return set(backend.lake.read(CHECKS, columns=["check_id"])["check_id"].to_pylist())


def _watch(
    backend: Backend, what: Seen, now: datetime
) -> tuple[list[dict[str, object]], list[Incident], list[str]]:
    version = what.champion.version
    earlier = _signals(backend, what.model, version)
    rows: list[dict[str, object]] = []
    incidents: list[Incident] = []
    last: tuple[Span, pd.DataFrame, list[Check]] | None = None
    answers = Answers(backend, what, RULES)
    reference, habits = what.reference, habits_of(what.blocks(), what.columns, rules=RULES)
    for begin, end in what.windows(now):
        if begin in earlier.get("", {}):
            continue
        span, current = Span(what.model, version, begin, end), what.within(begin, end)
        made = [
            *missing_values(reference, current, what.columns, rules=RULES, habits=habits),
            *category_changes(reference, current, what.columns, rules=RULES),
            *_amounts(reference, current, what.columns),
            *feature_drift(reference, current, what.columns, rules=RULES, habits=habits),
            *answers.checks(current),
        ]
        made = [settled(check, _before(earlier, check, begin), RULES) for check in made]
        for check in made:
            earlier.setdefault(_name(check), {})[begin] = check.signal
        earlier.setdefault("", {})[begin] = None
        rows += [row_of(span, check, now) for check in made]
        incidents += alarms(backend, span, made, now, (reference, current))
        last = (span, current, made)
    late = [settled(check, (), RULES) for check in _came_true(backend, what, now)]
    so_far = Span(what.model, version, what.since, now)
    rows += [row_of(so_far, check, now) for check in late]
    incidents += alarms(backend, so_far, late, now)
    reports = [] if last is None else write_report(backend, last[0], reference, last[1], last[2])
    return rows, incidents, reports


def _amounts(reference: pd.DataFrame, current: pd.DataFrame, columns: Sequence[str]) -> list[Check]:
    """Return the checks of numbers that no honest row has, and of wrong units."""
    found = []
    for name in columns:
        if is_number(reference[name]) and reference[name].nunique() > FEW_VALUES:
            pair = (reference[name].to_numpy(float), current[name].to_numpy(float))
            found += [outliers(name, *pair, rules=RULES), units(name, *pair, rules=RULES)]
    return found


def _came_true(backend: Backend, what: Seen, now: datetime) -> list[Check]:
    """Return the checks of a champion by what came true of all that it was asked since it learned."""
    reference, later = judged_now(backend, what, now=now)
    if later.empty:
        return [unknown("performance", "loss", 0, "nothing has come true since it learned")]
    if reference["probability"].notna().all() and set(reference["outcome"].unique()) <= {0.0, 1.0}:
        found = yes_or_no(reference, later, rules=RULES)
    else:
        both = (reference, later)
        pair = [(rows["loss"].to_numpy(float), rows["loss"].to_numpy(float)) for rows in both]
        found = [amounts(*_error_of(later), *pair, rules=RULES)]
        found += intervals(later)
        if set(WAITED) <= set(reference):  # a trial of before may not have them
            found.append(order(reference, later, rules=RULES))
    return found + (business(backend.settings, what, later) if what.model == "lead_scoring" else [])


def _error_of(later: pd.DataFrame) -> tuple[str, Callable[[FloatArray, FloatArray], float]]:
    """Return by which error amounts are watched: of values the median one in percent, else the mean loss."""
    if set(HELD.values()) <= set(
        later
    ):  # values have intervals; their loss is the absolute log error
        return "MdAPE, %", lambda loss, _: 100 * float(np.expm1(np.median(loss)))
    return "mean loss", lambda loss, _: float(loss.mean())


def business(settings: Settings, what: Seen, later: pd.DataFrame) -> list[Check]:
    """Return what each decision that leads drew lots for has brought since, in closings and in USD."""
    one = later.drop_duplicates("entity", keep="first").reset_index(drop=True)
    came = what.rows.set_index("entity").reindex(one["entity"])
    money = settings.money
    worth = pd.Series(np.nan, came.index)
    for name in ("property_value_estimate", "lead_asking_price_usd"):
        worth = worth.fillna(came[name]) if name in came else worth
    found: list[Check] = []
    for lot in LOTTERIES:
        if f"fact_{lot.fact}" not in came:
            continue
        arms = Arms.of(
            one["outcome"], worth.fillna(money.usual_value_usd), came[f"fact_{lot.fact}"],
            treated=lot.better, held_out=lot.drew,
        )  # fmt: skip
        found.append(conversion_gain(arms, rules=RULES))
        found += money_gain(
            arms, profit_rate=money.profit_rate, cost_usd=money.cost_of_call_usd, rules=RULES
        )
    return found


def intervals(later: pd.DataFrame) -> list[Check]:
    """Return whether the intervals of the latest month held as often as they say, if there are any."""
    newest = later["happened_at"].max() - LATEST
    late = later[later["happened_at"] > newest]
    return [
        covered(late[name].to_numpy(bool), level=level, rules=RULES)
        for level, name in HELD.items()
        if name in late
    ]


def _name(check: Check) -> str:
    return f"{check.kind}|{check.subject}"


def _signals(backend: Backend, model: str, version: str) -> dict[str, dict[datetime, bool | None]]:
    """Return each check's signals by the window's beginning; under "" the windows looked at."""
    rows = backend.lake.read(CHECKS, where=("model", model)).to_pylist()
    found: dict[str, dict[datetime, bool | None]] = {}
    for row in rows:
        if row["model_version"] == version and row["kind"] not in SINCE_IT_LEARNED:
            found.setdefault("", {})[row["window_start"]] = None
            found.setdefault(f"{row['kind']}|{row['subject']}", {})[row["window_start"]] = row[
                "signal"
            ]
    return found


def _before(
    earlier: dict[str, dict[datetime, bool | None]], check: Check, begin: datetime
) -> list[bool | None]:
    mine = earlier.get(_name(check), {})
    return [mine[at] for at in sorted(mine) if at < begin]
