"""The investor matching runner: who should see a deal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bentoml

from bentos.embedding import CONNECTION, Runner
from bentos.logs import configure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hki_ml.ports import ModelRegistry
    from hki_ml.settings import Settings


class InvestorMatchingRunner:
    """Holds the champion of ``investor_matching``."""

    def __init__(self) -> None:
        from hki_ml.serving.holder import ModelHolder
        from hki_ml.settings import load_settings

        configure()
        settings = load_settings()
        self.holder: ModelHolder[Any] = ModelHolder(
            "investor_matching",
            registry=self.registry(settings),
            load=self.load,
            cache=settings.model_cache_path,
        )
        self.holder.watch(settings.serving.reload_seconds)

    @staticmethod
    def registry(settings: Settings) -> Callable[[], ModelRegistry]:
        """Return how the registry is reached; it is reached on the watching thread."""
        from hki_ml.serving.once import Once
        from hki_ml.wiring import connect

        backend = Once(lambda: connect(settings))
        return lambda: backend().registry

    def load(self, folder: Path, version: str) -> Any:
        """Return the version in the folder, warmed."""
        from hki_ml.models.investor_matching.predict import load

        return load(folder, version)

    async def __is_ready__(self) -> bool:
        """Tell whether a champion was looked for: where there is none yet, that is the answer."""
        return self.holder.has_looked

    @bentoml.on_shutdown
    def close(self) -> None:
        """Stop watching the registry."""
        self.holder.close()


InvestorMatching = bentoml.service(
    name="investor_matching", service_class=Runner, workers=1, **CONNECTION
)(InvestorMatchingRunner)
