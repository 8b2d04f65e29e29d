"""A serving process starts in seconds because it leaves the training's libraries alone."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from served import HERE, environment

HEAVY = ("feast", "lightgbm", "mlflow", "prefect", "sklearn", "torch")
SERVED = (
    "import sys, bentos.service, hki_ml.wiring, hki_ml.models.valuation.artifact, "
    "hki_ml.models.valuation.appraiser, hki_ml.adapters.features_feast, hki_ml.adapters.registry_mlflow; "
    f"print([name for name in {HEAVY!r} if name in sys.modules])"
)


def test_serving_imports_no_library_that_only_training_needs():
    with tempfile.TemporaryDirectory() as home:
        told = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SERVED],
            cwd=HERE,
            env=environment(Path(home), 3000),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert told.stdout.strip() == "[]"
