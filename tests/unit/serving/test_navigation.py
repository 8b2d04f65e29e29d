"""From every page one comes to every other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hki_ml.serving

ASSETS = Path(hki_ml.serving.__file__).parent / "assets"
PAGES = {
    "page.html": "/",
    "leads.html": "/leads",
    "deals.html": "/deals",
    "jobs.html": "/jobs",
    "health.html": "/health",
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_leads_to_all_others(page: str) -> None:
    found = re.search(r'<nav aria-label="Service">(.*?)</nav>', (ASSETS / page).read_text())
    assert found is not None
    hrefs = re.findall(r'href="([^"]+)"', found[1])
    assert set(hrefs) == ({*PAGES.values(), "/docs"} - {PAGES[page]})
