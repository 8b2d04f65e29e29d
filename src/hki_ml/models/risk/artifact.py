"""A trained model on disk: JSON and arrays, with a manifest; nothing that could run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from hki_ml.learning.manifest import as_json, fingerprint, verify, write_manifest
from hki_ml.models.risk.design import Design
from hki_ml.models.risk.predict import RiskAssessor

FORMAT = 1
FILES = ("model.json", "arrays.npz")


def save(model: RiskAssessor, folder: Path) -> None:
    """Write the model; the same model gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        "weights": model.weights,
        "means": model.means,
        "level": np.array([model.intercept, model.typical]),
    }
    described = {"design": model.design.described(), "note": dict(model.note)}
    (folder / "model.json").write_text(as_json(described), encoding="utf-8")
    np.savez_compressed(folder / "arrays.npz", allow_pickle=False, **arrays)
    said = {
        "seed": model.note.get("seed"),
        "as_of": model.note.get("as_of"),
        "data_fingerprint": model.note.get("data_fingerprint"),
        "model_fingerprint": fingerprint(arrays),
    }
    write_manifest(folder, FILES, form=FORMAT, said=said)


def load(folder: Path) -> RiskAssessor:
    """Read a model after its files were verified.

    Raises
    ------
    ArtifactRefused
        If a file is missing or not what the manifest says, or the format is another.
    """
    verify(folder, FILES, form=FORMAT)
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        weights, means, level = stored["weights"], stored["means"], stored["level"]
    design = Design.of_described(described["design"])
    return RiskAssessor(design, float(level[0]), weights, float(level[1]), means, described["note"])
