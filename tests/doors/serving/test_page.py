# ruff: noqa: E501 - what the browser is asked stands on one line
"""The page in a real browser: it loads clean, works by keyboard alone, and shows its evidence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kc_client import HOME

pytestmark = [pytest.mark.browser, pytest.mark.server]
SHOWN = "!document.getElementById('result').hidden && !document.body.classList.contains('busy')"
VALUE = "document.getElementById('value').textContent"

WEAK = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (c) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255]; };
  return [...document.querySelectorAll('main *, header *')].filter((e) => !e.closest('svg') && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && e.checkVisibility())
    .map((e) => { const a = light(rgb(getComputedStyle(e).color)), b = light(behind(e)); return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.tagName, e.className, e.textContent.slice(0, 30)]; })
    .filter(([ratio]) => ratio < 4.5);
})()"""


@pytest.fixture
def page(browser, server):
    browser.look(width=1280, height=900)
    browser.open(server + "/")
    browser.wait("document.getElementById('model-line').textContent.startsWith('Model')")
    yield browser
    assert browser.complaints == []


@pytest.fixture
def pictures(tmp_path):
    """Where pictures go: HKI_PICTURES if it is set, else a folder of the test run."""
    return Path(os.environ.get("HKI_PICTURES", tmp_path))


def value_home(page, home=HOME):
    page.ask("document.getElementById('search').focus()")
    page.type(home)
    page.key("Enter")
    page.wait(SHOWN)


def test_a_home_is_found_and_valued_by_keyboard_alone(page):
    page.tab_to("search")
    page.type(HOME[:7])
    page.wait("document.querySelectorAll('#found [role=option]').length > 1")
    page.key("ArrowDown")
    page.key("ArrowDown")
    chosen = page.ask("document.querySelector('#found [aria-selected=true]').dataset.id")
    assert (
        page.ask("document.getElementById('search').getAttribute('aria-activedescendant')")
        == "found-1"
    )
    page.key("Enter")
    page.wait(SHOWN)
    assert chosen in page.ask("document.getElementById('of').textContent")
    assert page.ask(VALUE).startswith("$")
    assert "Estimated value $" in page.ask("document.getElementById('said').textContent")
    assert page.ask("document.activeElement.id") == "result"
    page.tab_to("pin-1")
    page.key(" ")
    page.wait("document.getElementById('pin-1').getAttribute('aria-pressed') === 'true'")


def test_the_first_tab_leads_to_the_skip_link(page):
    page.ask("document.body.focus()")
    page.key("Tab")
    assert page.ask("document.activeElement.className") == "skip"


def test_escape_closes_what_was_found(page):
    page.ask("document.getElementById('search').focus()")
    page.type("98178")
    page.wait("!document.getElementById('found').hidden")
    page.key("Escape")
    assert page.ask("document.getElementById('found').hidden")


def test_the_map_holds_the_home_and_every_comparable_at_its_distance(page):
    value_home(page)
    assert page.ask("document.querySelectorAll('#map .pin').length") == 8
    assert page.ask("document.querySelectorAll('#map .home').length") == 1
    off = page.ask("""(() => {
      const at = (g) => g.getAttribute('transform').match(/-?[\\d.]+/g).map(Number);
      const home = at(document.querySelector('#map .home').parentNode);
      return Math.max(...[...document.querySelectorAll('#map .pin')].map((pin) => {
        const [x, y] = at(pin);
        const told = Number(pin.querySelector('title').textContent.match(/([\\d.]+) km/)[1]);
        const bar = document.querySelector('#map .scale').getAttribute('d').match(/h([\\d.]+)/)[1];
        const text = document.querySelector('#map .scale').nextSibling.textContent;
        const km = parseFloat(text) / (text.endsWith(' m') ? 1000 : 1);
        return Math.abs(Math.hypot(x - home[0], y - home[1]) / bar * km - told);
      }));
    })()""")
    assert off < 0.02


def test_every_column_of_the_grid_and_the_waterfall_add_up_on_the_screen(page):
    value_home(page)
    sums = page.ask("""(() => {
      const number = (text) => Number(text.replace('\\u2212', '-').replace(/[^\\d-]/g, '') || 0);
      const rows = [...document.querySelectorAll('#grid tbody tr')];
      const cells = (row) => [...row.querySelectorAll('td')].slice(1).map((td) => number((td.firstElementChild || td).tagName === 'SPAN' ? td.firstElementChild.textContent : td.firstChild.textContent));
      const from = rows.findIndex((row) => row.textContent.startsWith('Sale price'));
      const to = rows.findIndex((row) => row.className === 'sum');
      const body = rows.slice(from, to).map(cells), total = cells(rows[to]);
      const drivers = [...document.querySelectorAll('#drivers tbody tr')].map((row) => number(row.children[3].textContent));
      return [total.map((t, i) => t - body.reduce((sum, row) => sum + row[i], 0)), drivers.slice(0, -1).reduce((a, b) => a + b, 0) - drivers.at(-1)];
    })()""")
    assert sums == [[0] * 8, 0]


def test_excluding_a_sale_asks_again_without_it_and_it_can_be_restored(page):
    value_home(page)
    first = page.ask("document.querySelector('#grid th[data-rank=\"1\"] small').textContent")
    before = page.ask(VALUE)
    page.ask("document.querySelector('#grid [aria-label^=Exclude]').click()")
    page.wait(f"{VALUE} !== '{before}'")
    assert first not in page.ask("document.getElementById('grid').textContent")
    page.ask("document.getElementById('restore').click()")
    page.wait(f"{VALUE} === '{before}'")


def test_a_changed_fact_is_an_override_that_is_told(page):
    value_home(page)
    before = page.ask(VALUE)
    page.ask(
        "document.getElementById('facts-box').open = true; document.getElementById('fact-living_sqft').select()"
    )
    page.type("1900")
    assert page.ask("document.querySelector('.changed label').textContent") == "Living area, sqft"
    page.key("Enter")
    page.wait(f"{VALUE} !== '{before}'")
    assert "living area 1,180 sqft → 1,900 sqft" in page.ask(
        "document.getElementById('notes').textContent"
    )


def test_a_home_can_be_typed_and_what_is_not_enough_is_told_plainly(page):
    page.ask(
        "document.getElementById('facts-box').open = true; document.getElementById('fact-bedrooms').focus()"
    )
    page.type("3")
    page.key("Enter")
    page.wait(SHOWN)
    assert page.ask("document.getElementById('worth-title').textContent") == "No estimate"
    assert "Living area and coordinates" in page.ask(
        "document.querySelector('.reasons').textContent"
    )


def test_a_fault_stands_beside_its_field_and_takes_the_focus(page):
    page.ask(
        "document.getElementById('facts-box').open = true; document.getElementById('fact-living_sqft').focus()"
    )
    page.type("7")
    page.key("Enter")
    page.wait("document.querySelector('.fault')")
    assert page.ask("document.activeElement.id") == "fact-living_sqft"
    assert page.ask("document.activeElement.getAttribute('aria-invalid')") == "true"
    assert page.ask("document.getElementById('result').hidden")
    page.complaints.clear()  # Chromium logs every 4xx answer of a fetch


def test_an_unknown_home_is_told_and_nothing_of_it_becomes_markup(page):
    page.ask("document.getElementById('search').focus()")
    page.type("<img src=x onerror=document.title=1>")
    page.key("Enter")
    page.wait("document.querySelector('.trouble')")
    assert "Not found" in page.ask("document.querySelector('.trouble').textContent")
    assert page.ask("document.images.length") == 0
    page.complaints.clear()


def test_investment_terms_are_edited_and_asked_again(page):
    value_home(page)
    figure = "document.querySelector('#deal-figures .lead dd').textContent"
    before = page.ask(figure)
    page.ask("document.getElementById('term-rehabCostUsd').select()")
    page.type("45000")
    page.key("Enter")
    page.wait(f"{figure} !== '{before}'")
    assert page.ask("document.getElementById('term-rehabCostUsd').value") == "45000"


def test_a_link_leads_back_to_the_same_valuation(page, server):
    value_home(page)
    said = page.ask(VALUE)
    link = page.ask("location.href")
    assert f"home={HOME}" in link
    page.open(link)
    page.wait(SHOWN)
    assert page.ask(VALUE) == said


@pytest.mark.parametrize(
    ("name", "width", "dark"), [("light", 1280, False), ("dark", 1280, True), ("phone", 390, False)]
)
def test_it_fits_the_screen_and_a_picture_is_taken(page, pictures, name, width, dark):
    page.look(width=width, height=900, dark=dark)
    value_home(page)
    assert page.ask("document.documentElement.scrollWidth <= innerWidth")
    page.picture(pictures / f"page-{name}.png")
    assert (pictures / f"page-{name}.png").stat().st_size > 20_000


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_the_contrast_that_wcag_aa_asks(page, dark):
    page.look(width=1280, height=900, dark=dark)
    value_home(page)
    assert page.ask(WEAK) == []


def test_printed_it_is_the_valuation_without_the_controls(page, pictures):
    value_home(page)
    page.look(width=1000, height=900, media="print")
    for hidden in ("#ask", "#print", ".acts", "#terms", ".zoom"):
        assert page.ask(
            f"getComputedStyle(document.querySelector('{hidden}')).display === 'none' || !document.querySelector('{hidden}').checkVisibility()"
        )
    assert page.ask("document.getElementById('grid').checkVisibility()")
    import base64

    pdf = page.send("Page.printToPDF", printBackground=True)["data"]
    (pictures / "page.pdf").write_bytes(base64.b64decode(pdf))
