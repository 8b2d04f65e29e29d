"""Exact nearest earlier sales: a k-d tree whose last axis is time, so that no later sale is ever seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hki_ml.learning.compiled import compiled
from hki_ml.models.valuation.homes import FloatArray, IntArray

_LEAF = 12
_FEW = 1_000  # homes, so few that their order does not matter


@dataclass(frozen=True, slots=True)
class Tree:
    """Points with balanced boxes around them; building costs ``n log² n`` at most.

    Attributes
    ----------
    points
        Scaled coordinates, the last axis is time and grows with ``day``, shape ``(n, d)``.
    keys, penalty
        Categories whose difference adds ``penalty`` to the squared distance, shapes ``(n, c)``, ``(c,)``.
    day
        Day of each sale, shape ``(n,)``.
    order, left, right, first, last, low, high
        The nodes: children (-1 for a leaf), their slice of ``order``, their box.
    laid
        Points, keys and day in ``order``: a leaf's sales lie side by side in memory.
    """

    points: FloatArray
    keys: IntArray
    penalty: FloatArray
    day: IntArray
    order: IntArray
    left: IntArray
    right: IntArray
    first: IntArray
    last: IntArray
    low: FloatArray
    high: FloatArray
    laid: tuple[FloatArray, IntArray, IntArray]

    @classmethod
    def of(cls, points: FloatArray, keys: IntArray, penalty: FloatArray, day: IntArray) -> Tree:
        """Build the tree over all points."""
        grown = _build(np.ascontiguousarray(points), _LEAF)
        order = grown[0]
        laid = (points[order], keys[order], day[order])
        return cls(
            np.ascontiguousarray(points), np.ascontiguousarray(keys), penalty, day, *grown, laid
        )

    def nearest(
        self, points: FloatArray, keys: IntArray, before: IntArray, *, count: int
    ) -> tuple[IntArray, FloatArray]:
        """Return rows and squared distances of the ``count`` nearest sales before a day, nearest first.

        Shapes ``(m, count)``; -1 and infinity where there are fewer. Equal distances go to the
        earlier row, so that the answer does not depend on the shape of the tree.
        """
        asked = np.ascontiguousarray(points)
        if len(asked) < _FEW:
            turn = np.arange(len(asked))
        else:
            # Neighbours in the tree are asked one after another: what one touched, the next finds
            # in the cache. Each answer is its own, whatever the turn.
            leaf = _leaves(self.left, self.right, self.first, self.low, self.high, asked)
            turn = np.argsort(leaf, kind="stable")
        return _nearest_all(
            *self.laid, self.penalty, self.order, self.left, self.right,
            self.first, self.last, self.low, self.high,
            asked, np.ascontiguousarray(keys), before, count, turn,
        )  # fmt: skip


@compiled
def _build(
    points: FloatArray, leaf: int
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray, FloatArray, FloatArray]:
    n, axes = points.shape
    room = 4 * (n // leaf + 2)
    order = np.arange(n)
    left = np.full(room, -1, np.int64)
    right = np.full(room, -1, np.int64)
    first = np.zeros(room, np.int64)
    last = np.zeros(room, np.int64)
    low = np.zeros((room, axes))
    high = np.zeros((room, axes))
    last[0] = n
    used = 1
    node = 0
    while node < used:
        a, b = first[node], last[node]
        widest, width = 0, -1.0
        for axis in range(axes):
            small, large = np.inf, -np.inf
            for i in range(a, b):
                v = points[order[i], axis]
                small = min(small, v)
                large = max(large, v)
            low[node, axis] = small
            high[node, axis] = large
            if large - small > width:
                widest, width = axis, large - small
        if b - a > leaf and width > 0:
            part = order[a:b].copy()
            by = np.argsort(points[part, widest], kind="mergesort")
            order[a:b] = part[by]
            middle = (a + b) // 2
            left[node], right[node] = used, used + 1
            first[used], last[used] = a, middle
            first[used + 1], last[used + 1] = middle, b
            used += 2
        node += 1
    return (
        order, left[:used].copy(), right[:used].copy(), first[:used].copy(), last[:used].copy(),
        low[:used].copy(), high[:used].copy(),
    )  # fmt: skip


@compiled
def _leaves(
    left: IntArray, right: IntArray, first: IntArray, low: FloatArray, high: FloatArray,
    wanted: FloatArray,
) -> IntArray:  # fmt: skip
    out = np.empty(len(wanted), np.int64)
    for i in range(len(wanted)):
        node = 0
        while left[node] >= 0:
            a, b = left[node], right[node]
            nearer = _box_distance(low[a], high[a], wanted[i]) <= _box_distance(
                low[b], high[b], wanted[i]
            )
            node = a if nearer else b
        out[i] = first[node]
    return out


@compiled
def _box_distance(low: FloatArray, high: FloatArray, q: FloatArray) -> float:
    """Return the squared distance to a box, infinite if all of it lies in the future."""
    axes = len(q)
    if low[axes - 1] > q[axes - 1]:
        return np.inf
    out = 0.0
    for j in range(axes):
        if q[j] < low[j]:
            out += (low[j] - q[j]) ** 2
        elif q[j] > high[j]:
            out += (q[j] - high[j]) ** 2
    return out


@compiled
def _insert(rows: IntArray, far: FloatArray, filled: int, row: int, d: float) -> int:
    """Put a sale in its place among the nearest; return how many there are now."""
    count = len(rows)
    at = filled
    if filled == count:
        if d > far[count - 1] or (d == far[count - 1] and row > rows[count - 1]):
            return filled
        at = count - 1
    while at > 0 and (far[at - 1] > d or (far[at - 1] == d and rows[at - 1] > row)):
        far[at], rows[at] = far[at - 1], rows[at - 1]
        at -= 1
    far[at], rows[at] = d, row
    return min(filled + 1, count)


@compiled
def _nearest_all(  # noqa: C901, PLR0913, PLR0917 - the kernel: flat arrays are what numba compiles best
    points: FloatArray, keys: IntArray, day: IntArray, penalty: FloatArray, order: IntArray,
    left: IntArray, right: IntArray, first: IntArray, last: IntArray, low: FloatArray,
    high: FloatArray, wanted: FloatArray, wanted_keys: IntArray, before: IntArray, count: int,
    turn: IntArray,
) -> tuple[IntArray, FloatArray]:  # fmt: skip
    n = len(wanted)
    rows = np.full((n, count), -1, np.int64)
    far = np.full((n, count), np.inf)
    stack = np.empty(128, np.int64)
    bound = np.empty(128)
    for i in turn:
        q = wanted[i]
        filled = 0
        depth = 1
        stack[0] = 0
        bound[0] = 0.0
        while depth > 0:
            depth -= 1
            node = stack[depth]
            if bound[depth] > far[i, count - 1]:
                continue
            if left[node] < 0:
                for k in range(first[node], last[node]):
                    if day[k] >= before[i]:
                        continue
                    d = 0.0
                    for j in range(len(q)):
                        d += (points[k, j] - q[j]) ** 2
                    for j in range(len(penalty)):
                        if keys[k, j] != wanted_keys[i, j]:
                            d += penalty[j]
                    filled = _insert(rows[i], far[i], filled, order[k], d)
                continue
            a, b = left[node], right[node]
            da = _box_distance(low[a], high[a], q)
            db = _box_distance(low[b], high[b], q)
            if da <= db:
                a, b, da, db = b, a, db, da
            # The nearer child is pushed last, so that it is searched first.
            if da < np.inf:
                stack[depth], bound[depth] = a, da
                depth += 1
            if db < np.inf:
                stack[depth], bound[depth] = b, db
                depth += 1
    return rows, far
