"""What a good request gets: the shapes, the sums, the levers."""

from __future__ import annotations

import pytest
from kc_client import HOME, NOW, PREDICTION_ID, VALUE

from hki_ml.serving import shapes
from hki_ml.serving.asked import iso

FACTS = {
    "area": "98178",
    "latitude": 47.5112,
    "longitude": -122.257,
    "livingSqft": 1180,
    "bathrooms": 1,
    "qualityGrade": 7,
    "yearBuilt": 1955,
}


def data(response):
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["success"] is True
    return body["data"]


def test_an_answer_has_exactly_the_documented_shape(value):
    shapes.ValuationData.model_validate(data(value(propertyId=HOME)), strict=True)


def test_every_sum_on_the_answer_reconciles_to_the_dollar(value):
    for home in (HOME, "6414100192", "2487200875"):
        said = data(value(propertyId=home, comparables={"count": 20}))
        assert len(said["comparables"]) == 20
        for sale in said["comparables"]:
            lines = sum(line["amountUsd"] for line in sale["adjustments"])
            assert sale["priceUsd"] + lines == sale["adjustedPriceUsd"]
        drivers = sum(driver["amountUsd"] for driver in said["valueDrivers"])
        assert said["typicalValue"] + drivers == said["estimatedValue"]


def test_an_id_and_its_facts_typed_by_hand_get_the_same_value(value, client):
    facts = data(client.get(f"/api/v1/ml/properties/{HOME}"))["facts"]
    by_id, by_facts = data(value(propertyId=HOME)), data(value(facts=facts))
    assert by_id["estimatedValue"] == by_facts["estimatedValue"]
    assert by_facts["propertyId"] is None
    assert by_facts["featureAgeSeconds"] is None
    assert by_id["featureAgeSeconds"] > 0


def test_as_of_a_past_day_only_earlier_sales_are_seen_and_the_day_is_told(value):
    said = data(value(propertyId=HOME, asOf="2014-12-01"))
    assert said["asOf"] == "2014-12-01T00:00:00.000Z"
    assert max(sale["soldAt"] for sale in said["comparables"]) < said["asOf"]


def test_without_as_of_the_answer_is_as_late_as_the_sales_reach(value):
    assert data(value(propertyId=HOME))["asOf"] == "2015-05-27T00:00:00.000Z"


def test_a_pinned_sale_is_shown_and_an_excluded_one_is_not(value):
    first = data(value(propertyId=HOME))["comparables"]
    away, kept = first[0]["saleId"], first[-1]["saleId"]
    said = data(value(propertyId=HOME, comparables={"pin": [kept], "exclude": [away], "count": 3}))
    ids = {sale["saleId"]: sale["pinned"] for sale in said["comparables"]}
    assert away not in ids
    assert ids[kept] is True
    assert len(ids) == 3


def test_radius_and_months_bound_the_comparables(value):
    said = data(value(propertyId=HOME, comparables={"radiusKm": 2, "months": 3, "count": 4}))
    assert all(s["distanceKm"] <= 2 and s["monthsAgo"] <= 3 for s in said["comparables"])


def test_an_override_replaces_a_fact_moves_the_value_and_is_told(value):
    plain = data(value(propertyId=HOME))
    said = data(value(propertyId=HOME, overrides={"livingSqft": 1500, "bedrooms": None}))
    assert said["estimatedValue"] > plain["estimatedValue"]
    assert said["facts"]["livingSqft"] == 1500
    assert {"fact": "livingSqft", "was": 1180.0, "now": 1500.0} in said["overriddenFacts"]
    assert {"fact": "bedrooms", "was": 3.0, "now": None} in said["overriddenFacts"]
    assert plain["overriddenFacts"] == []


def test_investment_terms_are_taken_and_given_back(value):
    said = data(value(propertyId=HOME, investment={"rehabCostUsd": 20_000, "holdingMonths": 4}))
    deal = said["investment"]
    assert (deal["terms"]["rehabCostUsd"], deal["terms"]["holdingMonths"]) == (20_000, 4)
    plain = data(value(propertyId=HOME))["investment"]
    assert deal["maximumAllowableOfferUsd"] < plain["maximumAllowableOfferUsd"]


def test_too_little_known_is_an_answer_with_its_reasons(value):
    said = data(value(facts={"area": "98178"}))
    shapes.ValuationData.model_validate(said, strict=True)
    assert said["estimatedValue"] is None
    assert said["noEstimate"]["reasons"]
    said = data(value(facts=FACTS, asOf="1999-01-01"))
    assert said["noEstimate"] == {"reasons": ["only 0 comparable sales, at least 3 are needed"]}


def test_an_answer_says_where_it_stands(value):
    said = data(value(propertyId=HOME))
    assert (said["degraded"], said["fallbackLevel"]) == (False, "full")
    assert (said["modelVersion"], said["predictionId"], said["computedAt"]) == (
        "1",
        PREDICTION_ID,
        iso(NOW),
    )


def test_the_same_question_alone_or_in_a_burst_gets_the_same_answer(application):
    from concurrent.futures import ThreadPoolExecutor

    def ask(_):
        return application.front.post(VALUE, json={"propertyId": HOME}).content

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(24)))) == 1


def test_homes_are_searched_by_id_and_area(client):
    found = data(client.get("/api/v1/ml/properties", params={"query": "71293005", "limit": 5}))
    shapes.HomesFound.model_validate(found, strict=True)
    assert HOME in [home["propertyId"] for home in found["homes"]]
    by_area = data(client.get("/api/v1/ml/properties?query=98178"))
    assert len(by_area["homes"]) == 20
    assert by_area["total"] > 100


def test_a_home_is_shown_with_its_facts(client):
    home = data(client.get(f"/api/v1/ml/properties/{HOME}"))
    shapes.HomeData.model_validate(home, strict=True)
    assert home["facts"]["livingSqft"] == 1180


def test_models_are_listed_with_figures_and_aliases(client):
    models = data(client.get("/api/v1/ml/models"))
    shapes.ModelList.model_validate(models, strict=True)
    told = next(each for each in models["models"] if each["name"] == "valuation")
    assert told["figures"] == {"mdape": 0.081}
    assert client.get(told["card"]).status_code == 200
    model = data(client.get("/api/v1/ml/models/valuation"))
    shapes.ModelData.model_validate(model, strict=True)
    assert model["versions"][0]["aliases"] == ["champion"]
    assert model["versions"][0]["figures"] == {"mdape": 0.081}
    assert model["serving"]["version"] == "1"


CARD = "/api/v1/ml/models/valuation/card"


def test_a_card_is_a_page_to_a_browser_and_markdown_to_all_else(client):
    plain = client.get(CARD)
    assert plain.headers["content-type"] == "text/markdown; charset=utf-8"
    assert plain.text == "# A card\n\n| a | b |\n| --- | --- |\n| 1 | <script>2</script> |\n"
    page = client.get(CARD, headers={"accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["vary"] == "Accept"
    assert "<td>1</td>" in page.text
    assert "<script" not in page.text
    assert client.get(f"{CARD}?format=html").text == page.text
    assert client.get(f"{CARD}?version=1&format=md").text == plain.text


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ("version=9", 404, "no such version"),
        ("format=pdf", 422, "html, md"),
        ("weather=fine", 422, "version and format"),
        ("version=%ff", 422, "UTF-8"),
    ],
)
def test_a_card_that_is_not_there_is_told(client, asked, status, told):
    answer = client.get(f"{CARD}?{asked}")
    assert answer.status_code == status
    assert told in answer.text


@pytest.mark.parametrize(
    "path",
    ["/api/v1/ml/models", "/api/v1/ml/models/valuation", CARD, "/", "/docs", "/openapi.json"],
)
def test_what_changes_rarely_has_an_etag_that_saves_the_second_answer(client, path):
    first = client.get(path)
    again = client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(path, headers={"if-none-match": '"other"'}).status_code == 200
    assert client.head(path).status_code == 200


def test_the_page_and_the_docs_allow_only_their_own_code(client):
    for path in ("/", "/docs"):
        policy = client.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    text = client.get("/").text
    assert "http://" not in text.replace("http://www.w3.org/", "")
    assert "https://" not in text
    assert "innerHTML" not in text
