"""A trained model on disk: arrays and JSON with a manifest; nothing that could run code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.lead_matrix import LeadMatrix
from hki_ml.learning.manifest import as_json, fingerprint, verify, write_manifest
from hki_ml.models.time_to_close.cox import Cox
from hki_ml.models.time_to_close.design import Design
from hki_ml.models.time_to_close.explain import Typical
from hki_ml.models.time_to_close.features import Lens
from hki_ml.models.time_to_close.predict import TimeToClose

FORMAT = 1
FILES = ("model.json", "arrays.npz")


def save(model: TimeToClose, folder: Path) -> None:
    """Write the model; the same model gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any]] = {
        **{f"cox/{name}": value for name, value in model.cox.arrays().items()},
        **{f"design/{name}": value for name, value in model.lens.design.arrays().items()},
        "typical/log_mass": model.typical.log_mass,
        "typical/stretch_share": model.typical.stretch_share,
        "merged": model.lens.merged,
    }
    described = {"matrix": model.lens.matrix.described(), "note": dict(model.note)}
    (folder / "model.json").write_text(as_json(described), encoding="utf-8")
    np.savez_compressed(folder / "arrays.npz", allow_pickle=False, **arrays)
    said = {
        "seed": model.note.get("seed"),
        "as_of": model.note.get("as_of"),
        "data_fingerprint": model.note.get("data_fingerprint"),
        "model_fingerprint": fingerprint(arrays),
    }
    write_manifest(folder, FILES, form=FORMAT, said=said)


def load(folder: Path, version: str = "") -> TimeToClose:
    """Read a model after its files were verified.

    Raises
    ------
    ArtifactRefused
        If a file is missing or not what the manifest says, or the format is another.
    """
    verify(folder, FILES, form=FORMAT)
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    matrix = LeadMatrix.of_described(described["matrix"])
    design = Design(names=matrix.names, **_part(arrays, "design/"))
    typical = Typical(**_part(arrays, "typical/"))
    lens = Lens(matrix, design, arrays["merged"])
    return TimeToClose(
        lens, Cox.of_arrays(_part(arrays, "cox/")), typical, described["note"], version
    )


def _part(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(prefix): value for n, value in arrays.items() if n.startswith(prefix)}
