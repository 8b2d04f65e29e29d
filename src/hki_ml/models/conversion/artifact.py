"""A trained model on disk: arrays, JSON and LightGBM's own text, with a manifest; nothing that could run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.lead_matrix import LeadMatrix
from hki_ml.learning.manifest import as_json, fingerprint, verify, write_manifest
from hki_ml.learning.packed_trees import PackedTrees
from hki_ml.models.conversion.explain import Ladder
from hki_ml.models.conversion.predict import ENDINGS, Conversion

FORMAT = 1
FILES = ("model.json", "arrays.npz", "booster.txt")


def save(model: Conversion, folder: Path) -> None:
    """Write the model; the same model gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray[Any]] = {
        "ladder/going_on": model.ladder.going_on,
        "ladder/losing": model.ladder.losing,
    }
    for ending, trees in enumerate(model.trees):
        arrays |= {f"trees{ending}/{name}": value for name, value in trees.arrays().items()}
    described = {
        "matrix": model.matrix.described(),
        "last_period": model.last_period,
        "note": dict(model.note),
    }
    (folder / "model.json").write_text(as_json(described), encoding="utf-8")
    (folder / "booster.txt").write_text(model.booster_text, encoding="utf-8")
    np.savez_compressed(folder / "arrays.npz", allow_pickle=False, **arrays)
    said = {
        "seed": model.note.get("seed"),
        "as_of": model.note.get("as_of"),
        "data_fingerprint": model.note.get("data_fingerprint"),
        "model_fingerprint": fingerprint(arrays),
    }
    write_manifest(folder, FILES, form=FORMAT, said=said)


def load(folder: Path) -> Conversion:
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
    trees = tuple(PackedTrees.of_arrays(_part(arrays, f"trees{k}/")) for k in range(ENDINGS))
    return Conversion(
        LeadMatrix.of_described(described["matrix"]),
        trees,
        int(described["last_period"]),
        Ladder(**_part(arrays, "ladder/")),
        (folder / "booster.txt").read_text(encoding="utf-8"),
        described["note"],
    )


def _part(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(prefix): value for n, value in arrays.items() if n.startswith(prefix)}
