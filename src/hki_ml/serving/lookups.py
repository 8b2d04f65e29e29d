"""The routes that look something up: homes by search and by id, models and their versions."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from hki_ml.errors import HkiError
from hki_ml.ports import ModelRegistry, ModelVersion
from hki_ml.serving.asked import iso
from hki_ml.serving.exchange import Request, Response, success, tagged
from hki_ml.serving.homes import HomeIndex
from hki_ml.serving.naming import camel, to_wire
from hki_ml.serving.problem import Problem, ProblemError, invalid
from hki_ml.serving.value_property import ValueProperty

VERSIONS_FRESH_SECONDS = 5.0

Describe = Callable[[], Awaitable[dict[str, Any] | None]]


@dataclass(frozen=True, slots=True)
class Homes:
    """``GET /ml/properties`` and ``/ml/properties/{id}``."""

    index: HomeIndex
    valuing: ValueProperty

    async def search(self, request: Request) -> Response:
        """Return the homes whose id or area holds the query."""
        query, limit = _search_terms(request.query)
        found, total = await asyncio.to_thread(self.index.search, query, limit)
        homes = [{camel(name): value for name, value in home.items()} for home in found]
        return success({"query": query, "homes": homes, "total": total})

    async def one(self, _: Request, property_id: str) -> Response:
        """Return the facts of one home."""
        now = self.valuing.clock()
        if not 1 <= len(property_id) <= 200:
            raise ProblemError(Problem("not-found", "no home of that id is known"))
        home = await self.valuing.find(property_id, now)
        age = round(max(0.0, (now - home.seen_at).total_seconds()), 3)
        facts = to_wire(home.facts)
        return success({"propertyId": property_id, "facts": facts, "featureAgeSeconds": age})


def _search_terms(query_string: str) -> tuple[str, int]:
    try:
        asked = parse_qs(query_string, keep_blank_values=True, max_num_fields=20, errors="strict")
    except (ValueError, UnicodeError) as error:
        raise invalid("/query", "expected a form-encoded query in UTF-8") from error
    unknown = sorted(set(asked) - {"query", "limit"})
    if unknown:
        raise invalid(f"/{unknown[0][:60]}", "unknown parameter; expected query and limit")
    query = asked.get("query", [""])[-1].strip()
    limit = asked.get("limit", ["20"])[-1]
    if len(query) > 200:
        raise invalid("/query", f"expected at most 200 characters, got {len(query)}")
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 3 and 1 <= int(limit) <= 100):
        raise invalid("/limit", "expected a whole number from 1 to 100")
    return query, int(limit)


@dataclass(slots=True)
class Models:
    """``GET /ml/models`` and ``/ml/models/{name}``, each with an ETag."""

    registry: Callable[[], ModelRegistry]
    describes: Mapping[str, Describe]
    _versions: dict[str, tuple[float, list[ModelVersion]]] = field(default_factory=dict)

    async def serving(self) -> dict[str, dict[str, Any] | None]:
        """Return what serves of each model, ``None`` where nothing does yet."""
        return {name: await describe() for name, describe in self.describes.items()}

    async def all(self, request: Request) -> Response:
        """Return the models that answer here."""
        serving = await self.serving()
        models = [
            {
                "name": name,
                "servingVersion": None if told is None else told["version"],
                "figures": {} if told is None else await self._figures(name, told["version"]),
                "card": f"/api/v1/ml/models/{name}/card",
            }
            for name, told in serving.items()
        ]
        return tagged(request, success({"models": models}))

    async def _figures(self, name: str, version: str) -> dict[str, float | None]:
        """Return a version's figures; none where the registry does not know it or is silent."""
        versions, _ = await asyncio.to_thread(self._registered, name)
        found = next((each for each in versions if each.version == version), None)
        return {} if found is None else _version(found)["figures"]

    async def one(self, request: Request, name: str) -> Response:
        """Return what serves of a model, and its versions with their figures."""
        if name not in self.describes:
            raise ProblemError(Problem("not-found", "no model of that name is served here"))
        versions, answers = await asyncio.to_thread(self._registered, name)
        data = {
            "name": name,
            "serving": await self.describes[name](),
            "versions": [_version(v) for v in versions],
            "registryAnswers": answers,
        }
        return tagged(request, success(data))

    def _registered(self, name: str) -> tuple[list[ModelVersion], bool]:
        now = time.monotonic()
        known = self._versions.get(name)
        if known is not None and now - known[0] < VERSIONS_FRESH_SECONDS:
            return known[1], True
        try:
            versions = self.registry().versions(name)
        except (HkiError, OSError):
            return (known[1] if known else []), False
        self._versions[name] = (now, versions)
        return versions, True


def _version(version: ModelVersion) -> dict[str, Any]:
    figures = {k: v if math.isfinite(v) else None for k, v in version.figures.items()}
    return {
        "version": version.version,
        "aliases": sorted(version.aliases),
        "figures": figures,
        "registeredAt": iso(version.registered_at) if version.registered_at else None,
    }
