# ruff: noqa: E501 - what the browser is asked stands on one line
"""The page of leads in a real browser: by keyboard alone, with the figures that the API gives."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.server]
ML = "/api/v1/ml"
ROWS = "[...document.querySelectorAll('#list tr')]"
OPEN = "!document.getElementById('card').hidden && document.getElementById('lead-title')"
TITLE = "document.getElementById('lead-title')?.textContent"
CARD = "document.getElementById('card').textContent"


@pytest.fixture
def pictures(tmp_path):
    return Path(os.environ.get("HKI_PICTURES", tmp_path))


@pytest.fixture
def page(browser, leads_server):
    browser.look(width=1280, height=900)
    browser.open(leads_server + "/leads")
    browser.wait(OPEN)
    yield browser
    assert browser.complaints == []


@pytest.fixture
def asked(leads_server):
    def ask(path, **body):
        url = f"{leads_server}{ML}/{path}"
        response = httpx.post(url, json=body) if body else httpx.get(url)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    return ask


def first_row(page):
    page.ask(f"{ROWS}.find((row) => row.tabIndex === 0).focus()")


def focused(page):
    return page.ask("document.activeElement.dataset.lead")


def test_the_best_lead_is_open_and_arrows_and_enter_open_another(page):
    ids = page.ask(f"{ROWS}.map((row) => row.dataset.lead)")
    assert page.ask(TITLE) == ids[0]
    first_row(page)
    for key, expected in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1)):
        page.key(key)
        assert focused(page) == ids[expected]
    page.key("Enter")
    page.wait(f"{TITLE} === '{ids[1]}' && document.activeElement.id === 'card'")
    assert page.ask("location.hash") == f"#{ids[1]}"
    assert "score" in page.ask("document.getElementById('said').textContent")
    page.key("Escape")
    assert focused(page) == ids[1]


def test_the_list_and_the_card_have_the_figures_of_the_api(page, asked):
    lead = page.ask(TITLE)
    listed = asked("leads?limit=50")
    shown = page.ask(
        f"{ROWS}.map((row) => [row.dataset.lead, Number(row.querySelector('.badge').textContent)])"
    )
    assert shown == [[each["leadId"], each["score"]] for each in listed["leads"]]
    score = asked("score-lead", leadId=lead)
    odds = asked("predict-conversion", leadId=lead)
    assert page.ask("document.querySelector('#card .value').firstChild.textContent") == str(
        score["score"]
    )
    marks = page.ask(
        "Object.fromEntries([...document.querySelectorAll('#card .lead-head .marks div')].map((mark) => [mark.querySelector('dt').textContent, mark.querySelector('dd').textContent]))"
    )
    assert float(marks["Closes within 90 days"].rstrip(" %")) == pytest.approx(
        100 * score["predictedConversion"], abs=0.051
    )
    assert marks["If it closes, after about"] == f"{score['estimatedTimeToClose']} days"
    points = page.ask(
        "[...document.querySelectorAll('#card .drivers tbody tr')].map((row) => Number(row.children[2].textContent.replace('\\u2212', '-')))"
    )
    assert points == [
        pytest.approx(driver["scorePoints"], abs=0.051) for driver in score["drivers"]
    ]
    drawn = page.ask(
        "[...document.querySelectorAll('#card .two svg')][0].getAttribute('aria-label')"
    )
    assert [part.split(" days")[0] for part in drawn.split(", ")] == [
        str(each["days"]) for each in odds["horizons"]
    ]


def test_filters_leave_what_they_say(page, asked):
    every = asked("leads?limit=500")["leads"]
    source = every[0]["leadSource"]
    page.ask(
        f"(() => {{ const box = document.getElementById('source'); box.value = '{source}'; box.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()"
    )
    expected = [each["leadId"] for each in every if each["leadSource"] == source]
    page.wait(f"document.getElementById('count').textContent.startsWith('{len(expected)} open')")
    assert page.ask(f"{ROWS}.map((row) => row.dataset.lead)") == expected[:50]


def test_the_list_is_reached_by_tab_though_the_open_lead_is_filtered_out(page, asked):
    last = asked("leads?limit=500")["leads"][-1]["leadId"]
    page.ask("document.getElementById('query').focus()")
    page.type(last)
    page.wait(f"{ROWS}.length === 1")
    assert page.ask(f"{ROWS}.map((row) => row.tabIndex)") == [0]
    for _ in range(8):
        page.key("Tab")
        if focused(page) == last:
            break
    page.key("Enter")
    page.wait(f"{TITLE} === '{last}'")


def test_the_calls_are_planned_by_keyboard_as_the_api_plans_them(page, asked):
    page.ask("document.getElementById('callers').focus()")
    page.ask("document.getElementById('callers').select()")
    page.type("2")
    page.key("Tab")
    page.ask("document.getElementById('minutes').select()")
    page.type("90")
    page.key("Enter")
    page.wait("document.activeElement.id === 'plan-card'")
    planned = asked("call-list?callers=2&minutes=90")
    rows = "[...document.querySelectorAll('#planned tbody tr')]"
    shown = page.ask(
        f"{rows}.map((row) => [row.children[0].textContent, row.querySelector('button').textContent])"
    )
    assert shown == [[str(each["caller"]), each["leadId"]] for each in planned["calls"]]
    assert shown
    told = page.ask("document.getElementById('planned').firstChild.textContent")
    assert told.startswith(f"{planned['counts']['called']} calls, expected to bring $")
    assert page.ask("document.querySelectorAll('#planned details li').length") == len(
        planned["notWorth"][:20]
    )
    page.ask(f"{rows}[0].querySelector('button').focus()")
    page.key("Enter")
    page.wait(f"{TITLE} === '{shown[0][1]}'")


def test_a_link_opens_its_lead_and_a_broken_one_the_best(page, leads_server, asked):
    leads = asked("leads?limit=500")["leads"]
    page.open(f"{leads_server}/leads#{leads[-1]['leadId']}")
    page.wait(f"{TITLE} === '{leads[-1]['leadId']}'")
    page.open(f"{leads_server}/leads#%E0%A4%A")
    page.wait(f"{TITLE} === '{leads[0]['leadId']}'")


def test_an_unknown_lead_is_told_and_nothing_of_it_becomes_markup(page, leads_server):
    page.open(f"{leads_server}/leads#%3Cimg src=x onerror=document.title=1%3E")
    page.wait("document.querySelector('.trouble')")
    assert "Not found" in page.ask("document.querySelector('.trouble').textContent")
    assert page.ask("document.images.length") == 0
    page.complaints.clear()  # Chromium logs every 4xx answer of a fetch


def test_a_service_that_does_not_answer_is_told(page):
    page.send(
        "Network.emulateNetworkConditions",
        offline=True,
        latency=0,
        downloadThroughput=0,
        uploadThroughput=0,
    )
    first_row(page)
    page.key("ArrowDown")
    page.key("Enter")
    page.wait("document.querySelector('.trouble')")
    assert "does not answer" in page.ask("document.querySelector('.trouble').textContent")
    assert page.ask("document.getElementById('card').hidden")
    page.complaints.clear()


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [("light", 1280, False), ("dark", 1280, True), ("narrow", 360, False)],
)
def test_it_fits_the_screen_and_a_picture_is_taken(page, pictures, name, width, dark):
    page.look(width=width, height=900, dark=dark)
    page.ask("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert page.ask("document.documentElement.scrollWidth <= innerWidth")
    if width > 1_000:  # where there is room no column is out of sight
        assert (
            page.ask(
                "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.parentNode.textContent.slice(0, 30))"
            )
            == []
        )
    page.picture(pictures / f"leads-{name}.png")
    assert (pictures / f"leads-{name}.png").stat().st_size > 20_000


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_the_contrast_that_wcag_aa_asks(page, dark):
    from test_page import WEAK

    page.look(width=1280, height=900, dark=dark)
    assert page.ask(WEAK) == []
