# ruff: noqa: E501 - what the browser is asked stands on one line
"""The page of deals in a real browser: by keyboard alone, with the figures that the API gives."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.server]
ML = "/api/v1/ml"
ROWS = "[...document.querySelectorAll('#list tr')]"
OPEN = "!document.getElementById('card').hidden && document.getElementById('deal-title')"
TITLE = "document.getElementById('deal-title')?.textContent"
MATCHES = "[...document.querySelectorAll('#card .matches tbody > tr')]"


@pytest.fixture
def page(browser, leads_server):
    browser.look(width=1280, height=900)
    browser.open(leads_server + "/deals")
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


def test_the_list_is_of_deals_under_contract_and_the_keyboard_opens_them(page, asked):
    ids = page.ask(f"{ROWS}.map((row) => row.dataset.lead)")
    assert ids == [each["leadId"] for each in asked("leads?stage=contract&limit=50")["leads"]]
    assert page.ask(TITLE) == ids[0]
    if len(ids) > 1:
        page.ask(f"{ROWS}.find((row) => row.tabIndex === 0).focus()")
        page.key("ArrowDown")
        page.key("Enter")
        page.wait(f"{TITLE} === '{ids[1]}' && document.activeElement.id === 'card'")
        assert page.ask("location.hash") == f"#{ids[1]}"


def test_the_investors_are_those_of_the_api_with_their_chances(page, asked):
    said = asked("match-investors", leadId=page.ask(TITLE))
    shown = page.ask(
        f"{MATCHES}.map((row) => [row.querySelector('th').textContent, row.children[2].textContent])"
    )
    assert shown == [
        [match["investorId"], f"{100 * match['probability']:.1f} %"] for match in said["matches"]
    ]
    reasons = page.ask(f"{MATCHES}[0].querySelectorAll('details li').length")
    assert reasons == len(said["matches"][0]["reasons"])
    pins = page.ask("document.querySelectorAll('#map .pin').length")
    assert pins == sum(len(match["earlier"]) for match in said["matches"])


def test_an_investor_opens_with_the_deals_that_suit(page, asked):
    page.ask(f"{MATCHES}[0].querySelector('button').focus()")
    page.key("Enter")
    page.wait("document.getElementById('investor-title')")
    name = page.ask("document.getElementById('investor-title').textContent")
    said = asked(f"investors/{name}")
    shown = page.ask(
        "[...document.querySelectorAll('#investor tbody tr')].map((row) => row.querySelector('th').textContent)"
    )
    assert shown == [deal["leadId"] for deal in said["deals"]]


def test_why_not_is_answered(page, asked):
    other = asked("match-investors", leadId=page.ask(TITLE))["alternatives"][0]["investorId"]
    page.ask(
        f"(() => {{ const box = document.getElementById('why-id'); box.value = '{other}'; document.getElementById('why').requestSubmit(); }})()"
    )
    page.wait("document.getElementById('why-answer').textContent")
    assert page.ask("document.getElementById('why-answer').textContent").startswith(f"{other}: ")


@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_sticks_out(browser, leads_server, tmp_path, width):
    browser.look(width=width, height=900)
    browser.open(leads_server + "/deals")
    browser.wait(OPEN)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    pictures = Path(os.environ.get("HKI_PICTURES", tmp_path))
    browser.picture(pictures / f"deals-{width}.png")
    assert browser.complaints == []


def test_the_risk_card_says_what_the_api_says(page, asked):
    said = asked("assess-risk", leadId=page.ask(TITLE))
    rows = "[...document.querySelectorAll('#card .risks tbody tr')]"
    shown = page.ask(
        f"{rows}.map((row) => [row.children[1].textContent, row.children[2].textContent])"
    )
    assert shown == [
        [str(round(each["score"])), "; ".join(each["reasons"]) or "nothing known against it"]
        for each in said["subScores"]
    ]
    assert said["band"] in page.ask(
        "document.querySelector('#card .risks').closest('section').textContent"
    )


def test_all_open_deals_are_placed_by_the_keyboard_alone(page, asked):
    page.ask("document.getElementById('offersPerDeal').value = '2'")
    page.ask("document.getElementById('plan-go').focus()")
    page.key("Enter")
    page.wait(
        "!document.getElementById('plan-card').hidden && document.activeElement.id === 'plan-card'"
    )
    said = asked("match-portfolio", offersPerDeal=2)
    shown = page.ask(
        "[...document.querySelectorAll('.planned tbody')].map((deal) => [deal.querySelector('th button').textContent, [...deal.querySelectorAll('td button')].map((each) => each.textContent)])"
    )
    assert shown == [
        [deal["leadId"], [each["investorId"] for each in deal["offers"]]] for deal in said["deals"]
    ]
    told = page.ask("document.querySelector('#planned p').textContent")
    assert f"{said['expectedPositives']:.1f} positive answers" in told
    assert f"deal after deal {said['expectedOneByOne']:.1f}" in told
