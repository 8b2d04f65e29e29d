"""How our services differ from BentoML's: runners in the gateway's process, and a front door of our own.

Measured on two cores: a hop to a runner process costs 1.7 ms and, with the connection limits as shipped,
loses 2 to 29 % of the requests; so runners are embedded unless ``HKI_SERVING__EMBED_RUNNERS=false``.
"""

from __future__ import annotations

from typing import Any

import bentoml

# As shipped, the shared session is closed after 100 requests while others are in flight (BentoML #5540).
CONNECTION: dict[str, Any] = {"runner_connection": {"max_requests": 10**9, "max_age": 1e9}}


def embeds_runners() -> bool:
    """Tell whether runners live in the gateway's process."""
    from hki_ml.settings import load_settings

    return load_settings().serving.embed_runners


class Runner(bentoml.Service[Any]):
    """A model's service; its listener takes no pickled body."""

    def to_asgi(self, is_main: bool = True) -> Any:  # noqa: FBT001, FBT002 - BentoML's signature
        """Return the application with the refusal in front."""
        from hki_ml.serving.asgi import RefusePickle

        return RefusePickle(super().to_asgi(is_main=is_main))


class Door(bentoml.Service[Any]):
    """The gateway's service: ours answers first, BentoML keeps lifespan, health and metrics."""

    def to_asgi(self, is_main: bool = True) -> Any:  # noqa: FBT001, FBT002 - BentoML's signature
        """Return the application with the front door before it."""
        from hki_ml.serving.asgi import FrontDoor

        return FrontDoor(super().to_asgi(is_main=is_main), lambda: self.inner.opened)

    def all_services(self, exclude_urls: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
        """Return the services to be spawned: this one alone where runners are embedded."""
        services: dict[str, Any] = super().all_services(exclude_urls)
        return {self.name: self} if exclude_urls and embeds_runners() else services
