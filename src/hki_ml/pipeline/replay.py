"""Refused rows come in again after somebody mended them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from hki_ml.mapping.format import Layout
from hki_ml.pipeline.importing import Import
from hki_ml.pipeline.reading import Tally


def replay(rejects: Path, way_in: Import) -> Tally:
    """Return what became of the mended rows of a file that an import wrote as its rejects.

    The mapping is that of the first import; only the layout differs, for rejects are always plain CSV.
    Rows that were not mended are refused again, with the same reason.
    """
    mapping = msgspec.structs.replace(
        way_in.mapping, file=Layout(separator=",", decimal=way_in.mapping.file.decimal)
    )
    return replace(way_in, mapping=mapping).run(rejects)
