"""A valuer on disk: arrays, JSON and LightGBM's own text, with a manifest; nothing that could run code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hki_ml.errors import ArtifactRefused
from hki_ml.learning.manifest import as_json, fingerprint, verify, write_manifest
from hki_ml.models.valuation.packing import pack, unpack
from hki_ml.models.valuation.predict import Valuer

FORMAT = 2
FILES = ("model.json", "arrays.npz", "booster.txt")
_TOLERANCE = 1e-4


def save(valuer: Valuer, folder: Path) -> None:
    """Write the valuer; the same valuer gives the same bytes.

    ``booster.txt`` is the boosted member in LightGBM's own format, for whoever wants to read it; the
    arrays are what predicts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described, arrays = pack(valuer)
    (folder / "model.json").write_text(as_json(described), encoding="utf-8")
    np.savez_compressed(folder / "arrays.npz", allow_pickle=False, **arrays)
    (folder / "booster.txt").write_text(valuer.core.ensemble.booster_text, encoding="utf-8")
    sales = {name: values for name, values in arrays.items() if name.startswith("book/")}
    said = {
        "seed": valuer.note.get("seed"),
        "as_of": valuer.note.get("as_of"),
        "data_fingerprint": fingerprint(sales),
    }
    write_manifest(folder, FILES, form=FORMAT, said=said)


def load(folder: Path) -> Valuer:
    """Read a valuer after its files and its predictions were verified.

    Raises
    ------
    ArtifactRefused
        If a file is missing or not what the manifest says, if the format is another, or if the
        arrays do not predict what the native libraries did (256 rows, 1e-4).
    """
    verify(folder, FILES, form=FORMAT)
    described: Mapping[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    text = (folder / "booster.txt").read_text(encoding="utf-8")
    valuer = unpack(described, arrays, booster_text=text)
    reference = valuer.core.ensemble.reference
    off = np.abs(valuer.core.ensemble.members(reference.view) - reference.native)
    if not off.max() <= _TOLERANCE:
        raise ArtifactRefused(
            f"expected the native libraries' predictions to {_TOLERANCE:g}, "
            f"got {off.max():.2g} off in {folder.name}"
        )
    return valuer
