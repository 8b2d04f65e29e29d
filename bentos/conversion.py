"""The conversion runner: will a lead close, by when, through which stages."""

from __future__ import annotations

import bentoml

from bentos.embedding import CONNECTION, Runner
from bentos.leads import LeadRunner


class ConversionRunner(LeadRunner):
    """Holds the champion of ``conversion``."""

    ROOM = "conversion"


Conversion = bentoml.service(name="conversion", service_class=Runner, workers=1, **CONNECTION)(
    ConversionRunner
)
