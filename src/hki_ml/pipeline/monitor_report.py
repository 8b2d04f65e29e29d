"""The report of a window for people: Evidently's page, and our verdicts as JSON beside it."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hki_ml.monitoring.check import Check
from hki_ml.monitoring.features import is_number
from hki_ml.wiring import Backend

if TYPE_CHECKING:
    from hki_ml.pipeline.alarms import Span

MOST_ROWS = 5_000  # Evidently takes a second a thousand rows and thirty columns
FOLDER = "monitor"


def write_report(
    backend: Backend, span: Span, reference: pd.DataFrame, current: pd.DataFrame,
    checks: Sequence[Check],
) -> list[str]:  # fmt: skip
    """Return the paths of the page and its JSON; each is written whole or not at all.

    The page shows; it decides nothing: verdicts are ours and stand in the JSON and in the table.
    """
    folder = backend.settings.reports_path / FOLDER / span.model
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{span.model}-{span.begin:%Y-%m-%d}-{span.end:%Y-%m-%d}"
    told = {
        "model": span.model,
        "version": span.version,
        "window": [span.begin.isoformat(), span.end.isoformat()],
        "checks": [asdict(each) for each in checks],
    }
    _write(folder / f"{name}.json", json.dumps(told, indent=1, default=_plain))
    paths = [str(folder / f"{name}.json")]
    page = _page(
        reference, current, [each.subject for each in checks if each.kind == "feature_drift"]
    )
    if page is not None:
        _write(folder / f"{name}.html", page)
        paths.insert(0, str(folder / f"{name}.html"))
    return paths


def _page(reference: pd.DataFrame, current: pd.DataFrame, columns: Sequence[str]) -> str | None:
    """Return Evidently's page on the columns; ``None`` where one side has no rows."""
    kept = [c for c in columns if current[c].notna().any() and reference[c].notna().any()]
    if not kept or len(current) < 2:
        return None
    numbers = [c for c in kept if is_number(reference[c])]
    others = [c for c in kept if c not in numbers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Evidently 0.7 about its own imports and empty bins
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        how = DataDefinition(numerical_columns=numbers, categorical_columns=others)
        sides = [
            Dataset.from_pandas(_shown(rows[kept], numbers), data_definition=how)
            for rows in (current, reference)
        ]
        made = Report([DataDriftPreset()]).run(*sides)
        page: str = made.get_html_str(as_iframe=False)
    return page


def _shown(rows: pd.DataFrame, numbers: Sequence[str]) -> pd.DataFrame:
    kept = rows.tail(MOST_ROWS).reset_index(drop=True)
    for column in map(str, kept):
        kept[column] = kept[column].astype(float if column in numbers else object)
    return kept


def _plain(value: object) -> object:
    item = getattr(value, "item", None)
    return item() if callable(item) else str(value)


def _write(path: Path, text: str) -> None:
    half = path.with_suffix(f"{path.suffix}.part")
    half.write_text(text, encoding="utf-8")
    os.replace(half, path)  # noqa: PTH105 - whole or not at all
