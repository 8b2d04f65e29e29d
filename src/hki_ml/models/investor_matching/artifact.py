"""A matcher on disk: JSON, arrays and the trees' own text, with a manifest; nothing that runs code."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from hki_ml.errors import ArtifactRefused
from hki_ml.learning.manifest import as_json, fingerprint, verify, write_manifest
from hki_ml.learning.packed_trees import PackedTrees
from hki_ml.models.investor_matching.factors import Content, Factors
from hki_ml.models.investor_matching.features import NAMES, Habits
from hki_ml.models.investor_matching.train import Matcher

FORMAT = 1
FILES = ("model.json", "arrays.npz", "booster.txt")
_TOLERANCE = 1e-6


def save(matcher: Matcher, folder: Path) -> None:
    """Write the matcher; the same matcher gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    factors = matcher.factors
    described = {
        "names": list(NAMES),
        "habits": asdict(matcher.habits),
        "content": asdict(factors.content),
        "investors": sorted(factors.investors, key=lambda name: factors.investors[name]),
        "slope": matcher.slope,
        "intercept": matcher.intercept,
        "note": matcher.note,
    }
    arrays = {
        **{f"trees/{name}": values for name, values in matcher.trees.arrays().items()},
        "factors/vectors": factors.vectors, "factors/placing": factors.placing,
        "typical": matcher.typical, "check/table": matcher.check[0],
        "check/native": matcher.check[1],
    }  # fmt: skip
    (folder / "model.json").write_text(as_json(described), encoding="utf-8")
    np.savez_compressed(folder / "arrays.npz", allow_pickle=False, **arrays)
    (folder / "booster.txt").write_text(matcher.text, encoding="utf-8")
    said = {
        "seed": matcher.note.get("seed"),
        "as_of": matcher.note.get("as_of"),
        "trees_fingerprint": fingerprint(matcher.trees.arrays()),
    }
    write_manifest(folder, FILES, form=FORMAT, said=said)


def load(folder: Path) -> Matcher:
    """Read a matcher after its files and its predictions were verified.

    Raises
    ------
    ArtifactRefused
        If a file is missing or not what the manifest says, if the format or the features are others,
        or if the arrays do not say what the tree library said.
    """
    verify(folder, FILES, form=FORMAT)
    said = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if tuple(said["names"]) != NAMES:
        raise ArtifactRefused(f"expected the features {', '.join(NAMES)} in {folder.name}")
    with np.load(folder / "arrays.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    trees = {n.removeprefix("trees/"): v for n, v in arrays.items() if n.startswith("trees/")}
    factors = Factors(
        {name: at for at, name in enumerate(said["investors"])},
        arrays["factors/vectors"], arrays["factors/placing"], Content(**said["content"]),
    )  # fmt: skip
    matcher = Matcher(
        factors, Habits(**said["habits"]), PackedTrees.of_arrays(trees), said["slope"],
        said["intercept"], arrays["typical"], (arrays["check/table"], arrays["check/native"]),
        (folder / "booster.txt").read_text(encoding="utf-8"), said["note"],
    )  # fmt: skip
    table, native = matcher.check
    off = np.abs(matcher.trees.predict(table) - native)
    if not off.max(initial=0.0) <= _TOLERANCE:
        raise ArtifactRefused(
            f"expected the tree library's predictions to {_TOLERANCE:g}, "
            f"got {off.max():.2g} off in {folder.name}"
        )
    return matcher
