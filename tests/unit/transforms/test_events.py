from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hki_ml.transforms.events import event_rows, tell_apart

AT = datetime(2024, 6, 1, tzinfo=UTC)
RAW = (
    '{"eventType":"sale.recorded","eventId":"014906cd-f000-729c-8cf3-0c1b4c5bae36","entityId":"h",'
    '"occurredAt":"2014-10-13T00:00:00Z","receivedAt":"2014-10-13T00:00:00Z","source":"s",'
    '"properties":{"priceUsd":1.0}}'
)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("014906cd-f000-729c-8cf3-0c1b4c5bae36", "014906CDF000729C8CF30C1B4C5BAE36"),
        ("2014-10-13T00:00:00Z", "2014-10-13t00:00:00z"),
        ("2014-10-13T00:00:00Z", "2014-10-13T08:00:00+08:00"),
        (
            '"source":"s","properties":{"priceUsd":1.0}',
            '"properties":{"priceUsd":1.0}, "source":"s"',
        ),
    ],
)
def test_an_event_in_another_spelling_is_the_same_row(ours: str, theirs: str) -> None:
    spelled = RAW.replace(ours, theirs)
    assert spelled != RAW
    events, refused = tell_apart([RAW.encode(), spelled.encode()], 0)
    assert not refused
    first, second = event_rows(events, ingested_at=AT).to_pylist()
    assert first == second


def test_what_is_no_event_is_told_with_its_offset_and_reason() -> None:
    records = [b"", RAW.encode(), b"{}", RAW.replace("1.0", "-1.0").encode(), b"x" * 70_000]
    events, refused = tell_apart(records, 10)
    assert len(events) == 1
    assert [(each.offset, each.reason) for each in refused] == [
        (10, "malformed"),
        (12, "unknown_type"),
        (13, "invalid_value"),
        (14, "too_large"),
    ]
