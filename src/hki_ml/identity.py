"""The ids of events: UUIDs version 7 made from the moment and the content, so that twice is once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

CONTENT_SEPARATOR = "\x1f"


def event_id(occurred_at: datetime, *content: str) -> UUID:
    """Return the UUID version 7 of an event: its time from the moment, the rest from the content.

    The same content gives the same id, so that what is sent twice is stored once.

    Examples
    --------
    >>> from datetime import UTC
    >>> str(event_id(datetime(2016, 7, 1, tzinfo=UTC), "sale", "home 1"))[:13]
    '0155a3c1-4400'
    """
    digest = hashlib.blake2b(CONTENT_SEPARATOR.join(content).encode(), digest_size=10).digest()
    milliseconds = math.floor(occurred_at.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    value = (milliseconds << 80) | int.from_bytes(digest)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def event_ids(milliseconds: Sequence[int], contents: Sequence[str]) -> list[str]:
    """Return what ``event_id`` returns, as text, for many events at once: a third of the time.

    Parameters
    ----------
    milliseconds
        When each occurred, since 1970 in UTC.
    contents
        The content of each, its parts joined by ``CONTENT_SEPARATOR``.
    """
    import numpy as np

    digests = b"".join(
        [hashlib.blake2b(content.encode(), digest_size=10).digest() for content in contents]
    )
    ids = np.empty((len(contents), 16), np.uint8)
    times = np.asarray(milliseconds, dtype=">i8").view(np.uint8).reshape(-1, 8)
    ids[:, :6] = times[:, 2:]
    ids[:, 6:] = np.frombuffer(digests, np.uint8).reshape(-1, 10)
    ids[:, 6] = (ids[:, 6] & 0x0F) | 0x70
    ids[:, 8] = (ids[:, 8] & 0x3F) | 0x80
    return uuid_texts(ids.tobytes())


def uuid_texts(raw: bytes) -> list[str]:
    """Return the text of UUIDs that stand one after the other, 16 bytes each.

    Examples
    --------
    >>> uuid_texts(bytes(range(16)))
    ['00010203-0405-0607-0809-0a0b0c0d0e0f']
    """
    import numpy as np

    digits = np.frombuffer(raw.hex().encode(), np.uint8).reshape(-1, 32)
    texts = np.full((len(digits), 36), ord("-"), np.uint8)
    for start, end, at in ((0, 8, 0), (8, 12, 9), (12, 16, 14), (16, 20, 19), (20, 32, 24)):
        texts[:, at : at + end - start] = digits[:, start:end]
    together = texts.tobytes().decode()
    return [together[i : i + 36] for i in range(0, len(together), 36)]
