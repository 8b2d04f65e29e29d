"""The pages: those of homes, of leads and of jobs, each put together from its files into one, and the API's.

Each is one HTML document without any further request for code or style; the Content-Security-Policy
allows exactly its own style and script, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any

from hki_ml.serving.exchange import Response
from hki_ml.serving.problem import KINDS

HTML = "text/html; charset=utf-8"
LEADS_SCRIPTS = (
    "wire",
    "parts",
    "leads_list",
    "leads_charts",
    "leads_card",
    "leads_calls",
    "leads_app",
)
DEALS_SCRIPTS = ("wire", "parts", "leads_list", "map", "deals_card", "deals_plan", "deals_app")
HEALTH_SCRIPTS = ("wire", "parts", "health_app")
JOBS_SCRIPTS = ("wire", "jobs_list", "jobs_app")
SCRIPTS = ("wire", "facts", "search", "value", "map", "grid", "drivers", "deal", "app")


def _asset(name: str) -> str:
    return (files("hki_ml.serving") / "assets" / name).read_text("utf-8")


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def _policy(style: str, script: str | None) -> tuple[tuple[str, str], ...]:
    scripts = f"script-src {_hash(script)}; connect-src 'self'; " if script else ""
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; {scripts}img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return (("content-security-policy", policy), ("referrer-policy", "no-referrer"))


@lru_cache(maxsize=1)
def valuation_page() -> Response:
    """Return the page at ``/``."""
    return _page("page", ("page",), SCRIPTS)


@lru_cache(maxsize=1)
def leads_page() -> Response:
    """Return the page at ``/leads``."""
    return _page("leads", ("page", "leads"), LEADS_SCRIPTS)


@lru_cache(maxsize=1)
def deals_page() -> Response:
    """Return the page at ``/deals``."""
    return _page("deals", ("page", "leads", "deals"), DEALS_SCRIPTS)


@lru_cache(maxsize=1)
def jobs_page() -> Response:
    """Return the page at ``/jobs``."""
    return _page("jobs", ("page", "jobs"), JOBS_SCRIPTS)


@lru_cache(maxsize=1)
def health_page() -> Response:
    """Return the page at ``/health``."""
    return _page("health", ("page", "health"), HEALTH_SCRIPTS)


def _page(html: str, styles: Sequence[str], scripts: Sequence[str]) -> Response:
    style = "\n".join(_asset(f"{name}.css") for name in styles)
    code = "\n".join(_asset(f"{name}.js") for name in scripts)
    script = f'"use strict";\n(() => {{\n{code}}})();\n'
    page = _asset(f"{html}.html").replace("/*style*/", style).replace("/*script*/", script)
    return Response(200, page.encode(), HTML, _policy(style, script))


def card_page(text: str) -> Response:
    """Return a model's card in Markdown as a page; HTML within it stays text."""
    from markdown_it import MarkdownIt

    style = _asset("docs.css")
    title = escape(text.partition("\n")[0].lstrip("# "))
    made = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<style>{style}</style></head><body class="card"><main>{made}</main></body></html>'
    )
    return Response(200, html.encode(), HTML, _policy(style, None))


def docs_page(document: dict[str, Any]) -> Response:
    """Return the documentation of the API, made from its OpenAPI document."""
    style = _asset("docs.css")
    info = document["info"]
    routes = "".join(
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    schemas = document["components"]["schemas"]
    shapes = "".join(_schema(name, schema) for name, schema in sorted(schemas.items()))
    problems = "".join(
        f'<dt id="problem-{kind}">{status} {escape(title)}</dt><dd>{escape(meaning)}</dd>'
        for kind, (status, title, meaning) in KINDS.items()
    )
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(info['title'])} API</title>"
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>'
        f"<body><main><h1>{escape(info['title'])} API</h1><p>{escape(info['summary'])}</p>"
        f'<p>{escape(info["description"])}</p><p><a href="/openapi.json">OpenAPI 3.1 document</a> · '
        f'<a href="/">Valuation page</a></p><h2>Routes</h2>{routes}<h2>Problems</h2><dl>{problems}</dl>'
        f"<h2>Schemas</h2>{shapes}</main></body></html>"
    )
    return Response(200, html.encode(), HTML, _policy(style, None))


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(said['description'])}</td><td>{_link(said)}</td></tr>"
        for status, said in operation["responses"].items()
    )
    asked = operation.get("requestBody", {}).get("content", {}).get("application/json")
    body = ""
    if asked:
        call = (
            f"curl -s localhost:3000{path} -H 'content-type: application/json' "
            f"-d '{json.dumps(asked['example'])}'"
        )
        body = f"<p>Body: {_link(asked)}</p><pre>{escape(call)}</pre>"
    given = "".join(
        f"<li><code>{escape(p['name'])}</code> in {escape(p['in'])}</li>"
        for p in operation.get("parameters", [])
    )
    return (
        f"<section><h3><b>{method.upper()}</b> <code>{escape(path)}</code></h3>"
        f"<p>{escape(operation['summary'])}</p>{body}{f'<ul>{given}</ul>' if given else ''}"
        f"<table><thead><tr><th>Status</th><th>Meaning</th><th>Shape</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></section>"
    )


def _link(holder: Any) -> str:
    names = sorted(_refs(holder))
    return ", ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in names)


def _refs(holder: Any) -> set[str]:
    if isinstance(holder, dict):
        own = (
            {holder["$ref"].rsplit("/", 1)[-1]}
            if "schemas" in str(holder.get("$ref", ""))
            else set()
        )
        return own.union(*(_refs(value) for value in holder.values()))
    return set().union(*(_refs(value) for value in holder)) if isinstance(holder, list) else set()


def _schema(name: str, schema: dict[str, Any]) -> str:
    fields = "".join(
        f"<tr><td><code>{escape(field)}</code>{' *' if field in schema.get('required', []) else ''}</td>"
        f"<td>{_kind(told)}</td><td>{escape(told.get('description', ''))}</td></tr>"
        for field, told in schema.get("properties", {}).items()
    )
    return (
        f'<section id="{escape(name)}"><h3>{escape(name)}</h3><p>{_prose(schema.get("description", ""))}</p>'
        f"<table><thead><tr><th>Field</th><th>Type</th><th>Meaning</th></tr></thead><tbody>{fields}</tbody>"
        f"</table></section>"
    )


def _prose(text: str) -> str:
    """Return a docstring's text as HTML, its double backticks as code."""
    pieces = escape(text).split("``")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(pieces))


def _kind(told: dict[str, Any]) -> str:
    options = told.get("anyOf", [told])
    words = []
    for option in options:
        bounds = [
            f"{sign} {option[key]:g}"
            for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"))
            if key in option
        ]
        word = _link(option) or escape(str(option.get("type", option.get("const", "any"))))
        words.append(" ".join([word, *map(escape, bounds)]))
    return " | ".join(words)
