"""Keeping the garbage collector away from what stays: modules and the loaded model."""

from __future__ import annotations

import gc


def settle() -> None:
    """Collect once and let later collections pass over everything that is alive now.

    A full collection over the loaded libraries stops every answer for a tenth of a second. What was
    settled before costs nothing here, so a swapped-in model is settled in a few milliseconds.
    """
    gc.collect()
    gc.freeze()
