"""A valuer on disk: arrays, JSON and LightGBM's own text, with a manifest; nothing that could run code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml import __version__
from hki_ml.errors import ArtifactRefused
from hki_ml.models.valuation.packing import Arrays, pack, unpack
from hki_ml.models.valuation.predict import Valuer

FORMAT = 1
MANIFEST = "manifest.json"
FILES = ("model.json", "arrays.npz", "booster.txt")
_TOLERANCE = 1e-4


def save(valuer: Valuer, folder: Path) -> None:
    """Write the valuer; the same valuer gives the same bytes.

    ``booster.txt`` is the boosted member in LightGBM's own format, for whoever wants to read it; the
    arrays are what predicts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described, arrays = pack(valuer)
    (folder / "model.json").write_text(_json(described), encoding="utf-8")
    np.savez_compressed(folder / "arrays.npz", allow_pickle=False, **arrays)
    (folder / "booster.txt").write_text(valuer.core.ensemble.booster_text, encoding="utf-8")
    manifest = {
        "format": FORMAT,
        "code_version": __version__,
        "seed": valuer.note.get("seed"),
        "as_of": valuer.note.get("as_of"),
        "data_fingerprint": _fingerprint(arrays),
        "files": {name: _digest(folder / name) for name in FILES},
    }
    (folder / MANIFEST).write_text(_json(manifest), encoding="utf-8")


def load(folder: Path) -> Valuer:
    """Read a valuer after its files and its predictions were verified.

    Raises
    ------
    ArtifactRefused
        If a file is missing or not what the manifest says, if the format is another, or if the
        arrays do not predict what the native libraries did (256 rows, 1e-4).
    """
    _verify(folder)
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


def _verify(folder: Path) -> None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        wanted = dict(manifest["files"])
        form = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ArtifactRefused(
            f"expected a readable {MANIFEST} in {folder.name}, got {problem!r}"
        ) from problem
    if form != FORMAT:
        raise ArtifactRefused(f"expected format {FORMAT} in {folder.name}, got {form}")
    if set(wanted) != set(FILES):
        raise ArtifactRefused(
            f"expected {', '.join(FILES)} in the manifest, got {', '.join(wanted)}"
        )
    for name in FILES:
        try:
            got = _digest(folder / name)
        except OSError as problem:
            raise ArtifactRefused(f"expected {name} in {folder.name}, it is not there") from problem
        if got != wanted[name]:
            raise ArtifactRefused(f"expected SHA-256 {wanted[name]} of {name}, got {got}")


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _fingerprint(arrays: Arrays) -> str:
    """Return one digest of the sales that the model learned from."""
    digest = sha256()
    for name in sorted(n for n in arrays if n.startswith("book/")):
        values: NDArray[Any] = arrays[name]
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _json(content: Mapping[str, object]) -> str:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
