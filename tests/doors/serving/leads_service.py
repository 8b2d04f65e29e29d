"""The real service over simulated leads, at the moment up to which they were simulated."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import bentoml
import httpx
from leads_home import NOW, ROOMS, handlers_at
from served import serving

from bentos.embedding import Door
from bentos.service import GATEWAY, GatewayService


class LeadsGateway(GatewayService):
    def __init__(self) -> None:
        super().__init__()
        type(self).opened = replace(self.opened, **handlers_at(self.opened, NOW))


HKI = bentoml.service(name="hki_ml", service_class=Door, **GATEWAY)(LeadsGateway)


@contextlib.contextmanager
def serving_leads(home: Path, **variables: str) -> Iterator[str]:
    """Yield the address of a server as soon as all models of leads serve."""
    with serving(home, module="leads_service", HKI_THREADS="1", **variables) as url:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            told = httpx.get(f"{url}/api/v1/ml/models").json()["data"]["models"]
            if all(each["servingVersion"] for each in told if each["name"] in ROOMS):
                break
            time.sleep(0.1)
        yield url
