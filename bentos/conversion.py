"""The conversion runner: will a lead close, by when, through which stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bentoml

from bentos.embedding import CONNECTION, Runner
from bentos.leads import LeadRunner

if TYPE_CHECKING:
    from pathlib import Path


class ConversionRunner(LeadRunner):
    """Holds the champion of ``conversion``."""

    ROOM = "conversion"

    def load(self, folder: Path, version: str) -> Any:
        """Return the version in the folder, warmed."""
        from hki_ml.models.conversion.predict import load

        return load(folder, version)


Conversion = bentoml.service(name="conversion", service_class=Runner, workers=1, **CONNECTION)(
    ConversionRunner
)
