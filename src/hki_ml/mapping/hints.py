"""The closest known name to one that is not known, as the end of an error message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"``, or nothing if no known name is near.

    Examples
    --------
    >>> closest("sale_prise", ["sale_date", "sale_price"])
    " (did you mean 'sale_price'?)"
    >>> closest("zzz", ["sale_date"])
    ''
    """
    by_plain_name = {_plain(candidate): candidate for candidate in known}
    near = difflib.get_close_matches(_plain(name), by_plain_name, n=1, cutoff=0.6)
    return f" (did you mean {by_plain_name[near[0]]!r}?)" if near else ""


def _plain(name: str) -> str:
    return "".join(sign for sign in name.lower() if sign.isalnum())
