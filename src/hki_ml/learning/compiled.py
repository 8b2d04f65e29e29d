"""One decorator: a Python function compiled by numba and cached on disk, with its type kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile ``function`` at its first call; the machine code is kept for the next process.

    No ``fastmath``: a row's result must not depend on the rows beside it.
    """
    return cast("Callable[P, R]", njit(cache=True)(function))
