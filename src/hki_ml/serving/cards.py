"""``GET /ml/models/{name}/card``: the card that was written when the version was made, for people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from hki_ml.errors import NotFound
from hki_ml.ports import ModelRegistry, ModelVersion
from hki_ml.serving.exchange import Request, Response, tagged
from hki_ml.serving.lookups import Describe
from hki_ml.serving.page import card_page
from hki_ml.serving.problem import Problem, ProblemError, invalid

CARD_FILE = "card.md"
MARKDOWN = "text/markdown; charset=utf-8"
FORMATS = ("html", "md")


@dataclass(frozen=True, slots=True)
class Cards:
    """Reads the card among the version's own files: that of what serves, or of a version asked for."""

    registry: Callable[[], ModelRegistry]
    describes: Mapping[str, Describe]

    async def one(self, request: Request, name: str) -> Response:
        """Return the card, as HTML to a browser and as Markdown to all else."""
        if name not in self.describes:
            raise ProblemError(Problem("not-found", "no model of that name is served here"))
        version, wanted = _asked(request)
        serving = await self.describes[name]()
        if version is None and serving is not None:
            version = serving["version"]
        text = await asyncio.to_thread(self._read, name, version)
        answer = card_page(text) if wanted == "html" else Response(200, text.encode(), MARKDOWN)
        return tagged(request, answer.with_headers(("vary", "Accept")))

    def _read(self, name: str, version: str | None) -> str:
        versions = self.registry().versions(name)
        found = next((v for v in versions if version in {None, v.version}), None)
        if found is None:
            raise ProblemError(Problem("not-found", "no such version of this model is registered"))
        return self._card(found)

    def _card(self, version: ModelVersion) -> str:
        try:
            return self.registry().file(version, CARD_FILE).decode()
        except NotFound as error:
            detail = f"version {version.version} was registered without a card"
            raise ProblemError(Problem("not-found", detail)) from error


def _asked(request: Request) -> tuple[str | None, str]:
    """Return the version that is asked for, if one is, and the format."""
    try:
        given = parse_qs(request.query, keep_blank_values=True, max_num_fields=20, errors="strict")
    except (ValueError, UnicodeError) as error:
        raise invalid("/query", "expected a form-encoded query in UTF-8") from error
    unknown = sorted(set(given) - {"version", "format"})
    if unknown:
        raise invalid(f"/{unknown[0][:60]}", "unknown parameter; expected version and format")
    accepts_html = "text/html" in request.headers.get("accept", "")
    wanted = given.get("format", ["html" if accepts_html else "md"])[-1]
    if wanted not in FORMATS:
        raise invalid("/format", f"expected one of {', '.join(FORMATS)}")
    return given.get("version", [None])[-1], wanted
