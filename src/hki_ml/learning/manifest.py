"""The manifest of a model's folder: its files and their SHA-256, verified before anything is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hki_ml import __version__
from hki_ml.errors import ArtifactRefused

MANIFEST = "manifest.json"


def write_manifest(
    folder: Path, files: Sequence[str], *, form: int, said: Mapping[str, object]
) -> None:
    """Write the manifest of files that lie in the folder; the same files give the same bytes.

    Parameters
    ----------
    form
        The format's number; a reader of another refuses.
    said
        What else stands in it: seed, moment of training, fingerprint of the data.
    """
    manifest = {
        **said,
        "format": form,
        "code_version": __version__,
        "files": {name: digest(folder / name) for name in files},
    }
    (folder / MANIFEST).write_text(as_json(manifest), encoding="utf-8")


def verify(folder: Path, files: Sequence[str], *, form: int) -> None:
    """Check that the folder holds exactly these files' bytes as the manifest says.

    Raises
    ------
    ArtifactRefused
        If a file is missing or altered, or the manifest is of another format or names other files.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        wanted = dict(manifest["files"])
        found = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ArtifactRefused(
            f"expected a readable {MANIFEST} in {folder.name}, got {problem!r}"
        ) from problem
    if found != form:
        raise ArtifactRefused(f"expected format {form} in {folder.name}, got {found}")
    if set(wanted) != set(files):
        raise ArtifactRefused(
            f"expected {', '.join(files)} in the manifest, got {', '.join(wanted)}"
        )
    for name in files:
        try:
            got = digest(folder / name)
        except OSError as problem:
            raise ArtifactRefused(f"expected {name} in {folder.name}, it is not there") from problem
        if got != wanted[name]:
            raise ArtifactRefused(f"expected SHA-256 {wanted[name]} of {name}, got {got}")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return sha256(path.read_bytes()).hexdigest()


def fingerprint(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    """Return one digest of arrays with their names, kinds and shapes."""
    found = sha256()
    for name in sorted(arrays):
        values = arrays[name]
        found.update(f"{name} {values.dtype.str} {values.shape}".encode())
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()


def as_json(content: Mapping[str, object]) -> str:
    """Return JSON whose bytes depend on the content only."""
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
