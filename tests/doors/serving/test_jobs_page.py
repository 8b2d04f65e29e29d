# ruff: noqa: E501 - what the browser is asked stands on one line
"""The page of jobs in a real browser: ids are pasted, answered and fetched by keyboard alone."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from leads_home import at_home

from hki_ml.settings import load_settings
from hki_ml.wiring import connect

pytestmark = [pytest.mark.browser, pytest.mark.server]
JOB = "document.querySelector('#jobs .job.done')"


@pytest.fixture
def page(browser, leads_server):
    browser.look(width=1280, height=900)
    browser.open(leads_server + "/jobs")
    browser.wait("document.querySelectorAll('#model option').length >= 4")
    yield browser
    assert browser.complaints == []


def test_ids_are_pasted_answered_and_fetched_by_keyboard_alone(
    page, leads_server, leads_home, tmp_path
):
    with at_home(leads_home):
        lead = (
            connect(load_settings()).lake.read("leads", columns=["lead_id"])["lead_id"][0].as_py()
        )
    ended = page.ask("document.querySelectorAll('#jobs .job.done').length")
    page.ask("document.getElementById('ids').value = ''")
    page.tab_to("ids")
    for each in (lead, "=nobody"):
        page.type(each)
        page.key("Enter")
    page.tab_to("send")
    page.key("Enter")
    page.wait(f"document.querySelectorAll('#jobs .job.done').length > {ended}", 60)
    text = page.ask(f"{JOB}.textContent")
    assert "1 rows answered" in text
    assert "id unknown 1" in text
    assert "answered" in page.ask("document.getElementById('said').textContent")
    where = page.ask(f"{JOB}.querySelector('a').getAttribute('href')")
    assert lead in httpx.get(leads_server + where).text
    assert "'=nobody" in httpx.get(leads_server + where.replace("result", "rejects")).text
    page.picture(Path(os.environ.get("HKI_PICTURES", tmp_path)) / "jobs.png")
    before = page.ask("document.querySelectorAll('#jobs .job').length")
    while not page.ask("document.activeElement.dataset.end"):
        page.key("Tab")
    page.key("Enter")
    page.wait(f"document.querySelectorAll('#jobs .job').length === {before} - 1")
    assert page.ask("document.activeElement.id") == "jobs-title"


def test_nothing_to_answer_is_told_and_the_columns_follow_the_model(page):
    page.ask("document.getElementById('send').click()")
    page.wait("document.getElementById('trouble').textContent.includes('Nothing to answer')")
    page.ask(
        "(() => { const model = document.getElementById('model'); model.value = 'valuation'; model.dispatchEvent(new Event('change')); })()"
    )
    assert page.ask("document.getElementById('column').textContent") == "property_id"
    assert page.ask("document.getElementById('also').hidden") is True


def test_the_page_is_linked_from_the_others_and_fits_a_phone(page, leads_server):
    for path in ("/", "/leads", "/deals"):
        assert 'href="/jobs"' in httpx.get(leads_server + path).text
    page.look(width=360, height=740)
    assert page.ask("document.documentElement.scrollWidth <= 360")
