from __future__ import annotations

from hki_ml.transforms.leads import leads
from tests.unit.transforms.lead_events import event, table


def test_a_lead_that_was_never_created_is_no_lead():
    assert leads(table([event("lead.replied", "a", 1), event("lead.closed", "a", 2)])).num_rows == 0


def test_the_first_end_that_was_received_counts():
    events = [
        event("lead.created", "a", 0),
        event("lead.lost", "a", 5),
        event("lead.closed", "a", 4, late=3),
    ]
    (row,) = leads(table(events)).to_pylist()
    assert row["outcome"] == "lost"


def test_what_came_twice_is_one_lead_as_it_first_came():
    events = [
        event("lead.created", "a", 0, says={"leadSource": "web", "facts": {"x": 1}}),
        event("lead.created", "a", 1, says={"leadSource": "fair"}),
    ]
    (row,) = leads(table(events)).to_pylist()
    assert (row["lead_source"], row["facts_json"]) == ("web", '{"x":1}')
