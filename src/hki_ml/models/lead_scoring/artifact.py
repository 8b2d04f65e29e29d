"""A scorer on disk: JSON, arrays and the tree library's own text, with a manifest; nothing that runs code."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from hki_ml.errors import ArtifactRefused
from hki_ml.learning.lead_matrix import LeadMatrix
from hki_ml.learning.manifest import as_json, fingerprint, verify, write_manifest
from hki_ml.learning.packed_trees import PackedTrees
from hki_ml.models.lead_scoring.boosters import Recipe
from hki_ml.models.lead_scoring.calibration import Curve, Doubt
from hki_ml.models.lead_scoring.lean import Lean
from hki_ml.models.lead_scoring.lots import LotEffect
from hki_ml.models.lead_scoring.predict import Scorer

FORMAT = 3
FILES = ("model.json", "arrays.npz", "booster.txt")
_TOLERANCE = 1e-4


def save(scorer: Scorer, folder: Path) -> None:
    """Write the scorer; the same scorer gives the same bytes.

    ``booster.txt`` is the trees in their library's own format (XGBoost JSON or LightGBM text), for
    whoever wants to read them; the arrays are what predicts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described = {
        "matrix": scorer.matrix.described(),
        "recipe": scorer.recipe.described(),
        "usual": scorer.usual,
        "curve": scorer.curve.described(),
        "level": scorer.level,
        "step": scorer.step,
        "widest": scorer.doubt.widest,
        "expected": list(scorer.expected),
        "lots": {name: asdict(effect) for name, effect in scorer.lots.items()},
        "note": dict(scorer.note),
    }
    arrays = {
        **{f"trees/{name}": values for name, values in scorer.trees.arrays().items()},
        "doubt/margin": scorer.doubt.margin, "doubt/width": scorer.doubt.width,
        **{f"lean/{n}": v for n, v in ({} if scorer.lean is None else scorer.lean.arrays()).items()},
        "typical": scorer.typical, "check/table": scorer.check[0], "check/native": scorer.check[1],
    }  # fmt: skip
    (folder / "model.json").write_text(as_json(described), encoding="utf-8")
    np.savez_compressed(folder / "arrays.npz", allow_pickle=False, **arrays)
    (folder / "booster.txt").write_text(scorer.text, encoding="utf-8")
    said = {
        "seed": scorer.note.get("seed"),
        "as_of": scorer.note.get("as_of"),
        "data_fingerprint": scorer.note.get("data_fingerprint"),
        "trees_fingerprint": fingerprint(scorer.trees.arrays()),
    }
    write_manifest(folder, FILES, form=FORMAT, said=said)


def load(folder: Path) -> Scorer:
    """Read a scorer after its files and its predictions were verified.

    Raises
    ------
    ArtifactRefused
        If a file is missing or not what the manifest says, if the format is another, or if the
        arrays do not say what the tree library said (256 rows, 1e-4).
    """
    verify(folder, FILES, form=FORMAT)
    said = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    trees = {n.removeprefix("trees/"): v for n, v in arrays.items() if n.startswith("trees/")}
    lean = {n.removeprefix("lean/"): v for n, v in arrays.items() if n.startswith("lean/")}
    scorer = Scorer(
        matrix=LeadMatrix.of_described(said["matrix"]),
        recipe=Recipe(**{**said["recipe"], "without": tuple(said["recipe"]["without"])}),
        trees=PackedTrees.of_arrays(trees),
        lean=Lean.of_arrays(lean) if lean else None,
        text=(folder / "booster.txt").read_text(encoding="utf-8"),
        usual=said["usual"],
        curve=Curve.of_described(said["curve"]),
        level=said["level"],
        step=said["step"],
        doubt=Doubt(arrays["doubt/margin"], arrays["doubt/width"], said["widest"]),
        typical=arrays["typical"],
        expected=tuple(said["expected"]),
        check=(arrays["check/table"], arrays["check/native"]),
        lots={name: LotEffect(**effect) for name, effect in said["lots"].items()},
        note=said["note"],
    )
    table, native = scorer.check
    off = np.abs(scorer.trees.predict(table) - native)
    if not off.max() <= _TOLERANCE:
        raise ArtifactRefused(
            f"expected the tree library's predictions to {_TOLERANCE:g}, "
            f"got {off.max():.2g} off in {folder.name}"
        )
    return scorer
