"""What trees say of every mixture of a lead and a reference, group of columns by group: one walk for all.

For exact Shapley values of groups one has to know the trees' sum under each coalition of groups: its
columns from the lead, all others from the reference. A tree is walked once: where lead and reference
part, both ways are followed, and a leaf is credited to the coalitions that lead to it (the
interventional game of Lundberg et al. 2020, doi 10.1038/s42256-019-0138-9, with one reference).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled
from hki_ml.learning.packed_trees import PackedTrees, single

FloatArray = NDArray[np.float64]
Int32Array = NDArray[np.int32]
MOST_GROUPS = 12
_DEEPEST = 512


def coalition_sums(
    trees: PackedTrees, group: NDArray[np.int64], rows: tuple[FloatArray, FloatArray]
) -> FloatArray:
    """Return the trees' sum under every coalition, in the order of ``contributions.coalitions``.

    Parameters
    ----------
    group
        The group of each column, 0 to at most 11, shape ``(columns,)``.
    rows
        The lead and the reference, each of shape ``(columns,)``.

    Returns
    -------
    Shape ``(2**groups,)``: first the reference's own sum, last the lead's, equal to ``predict``.
    """
    lead, reference = rows
    if trees.is_single:
        lead = single(lead)
        reference = single(reference)
    return _coalitions(
        trees.root, trees.feature, trees.threshold, trees.left, trees.right, trees.missing_left,
        group, int(group.max()) + 1, lead, reference,
    ) * trees.scale  # fmt: skip


@compiled
def _coalitions(  # noqa: C901, PLR0913, PLR0917 - flat arrays are what numba compiles best
    root: Int32Array, feature: Int32Array, threshold: FloatArray, left: Int32Array,
    right: Int32Array, missing_left: NDArray[np.bool_], group: NDArray[np.int64], groups: int,
    lead: FloatArray, reference: FloatArray,
) -> FloatArray:  # fmt: skip
    everyone = (1 << groups) - 1
    worth = np.zeros(1 << groups)
    node_at = np.empty(_DEEPEST, np.int64)
    with_lead = np.empty(_DEEPEST, np.int64)
    with_reference = np.empty(_DEEPEST, np.int64)
    for t in range(len(root)):
        open_nodes = 1
        node_at[0] = root[t]
        with_lead[0] = 0
        with_reference[0] = 0
        while open_nodes > 0:
            open_nodes -= 1
            node = node_at[open_nodes]
            ours = with_lead[open_nodes]
            theirs = with_reference[open_nodes]
            while feature[node] >= 0:
                f = feature[node]
                a = lead[f]
                b = reference[f]
                a_left = missing_left[node] if np.isnan(a) else a <= threshold[node]
                b_left = missing_left[node] if np.isnan(b) else b <= threshold[node]
                if a_left == b_left:
                    node = left[node] if a_left else right[node]
                    continue
                bit = 1 << group[f]
                lead_goes = left[node] if a_left else right[node]
                reference_goes = left[node] if b_left else right[node]
                if ours & bit:
                    node = lead_goes
                elif theirs & bit:
                    node = reference_goes
                else:
                    node_at[open_nodes] = reference_goes
                    with_lead[open_nodes] = ours
                    with_reference[open_nodes] = theirs | bit
                    open_nodes += 1
                    ours |= bit
                    node = lead_goes
            free = everyone & ~ours & ~theirs
            part = free
            while True:
                worth[ours | part] += threshold[node]
                if part == 0:
                    break
                part = (part - 1) & free
    return worth


def groups_of(factors: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Return the distinct groups in order of name, and each column's place among them.

    Examples
    --------
    >>> groups_of(["b", "a", "b"])
    (('a', 'b'), array([1, 0, 1]))
    """
    names = tuple(sorted(set(factors)))
    if len(names) > MOST_GROUPS:
        raise ValueError(f"expected at most {MOST_GROUPS} groups, got {len(names)}")
    return names, np.array([names.index(factor) for factor in factors], np.int64)


def coalition_tables(
    trees: PackedTrees, group: NDArray[np.int64], rows: FloatArray, reference: FloatArray
) -> FloatArray:
    """Return `coalition_sums` of many leads against one reference, shape ``(n, 2**groups)``."""
    if trees.is_single:
        rows, reference = single(rows), single(reference)
    return _each_coalitions(
        trees.root, trees.feature, trees.threshold, trees.left, trees.right, trees.missing_left,
        group, int(group.max()) + 1, np.ascontiguousarray(rows, np.float64), reference,
    ) * trees.scale  # fmt: skip


@compiled
def _each_coalitions(  # noqa: PLR0913, PLR0917 - flat arrays are what numba compiles best
    root: Int32Array, feature: Int32Array, threshold: FloatArray, left: Int32Array,
    right: Int32Array, missing_left: NDArray[np.bool_], group: NDArray[np.int64], groups: int,
    rows: FloatArray, reference: FloatArray,
) -> FloatArray:  # fmt: skip
    out = np.empty((len(rows), 1 << groups))
    for i in range(len(rows)):
        out[i] = _coalitions(
            root, feature, threshold, left, right, missing_left, group, groups, rows[i], reference
        )
    return out


def one_column_typical(
    trees: PackedTrees, rows: FloatArray, reference: FloatArray, asked: NDArray[np.bool_]
) -> FloatArray:
    """Return the trees' sum with one column from the reference, equal to ``predict`` of such a row.

    Only trees that look at the column are walked again; leaves are added in the order of the trees.

    Parameters
    ----------
    asked
        Which column of which row, shape ``(n, columns)``; the others' sums are NaN.
    """
    if trees.is_single:
        rows, reference = single(rows), single(reference)
    return _one_typical(
        trees.root, trees.feature, trees.threshold, trees.left, trees.right, trees.missing_left,
        np.ascontiguousarray(rows, np.float64), reference, asked, _looks_at(trees, rows.shape[1]),
    ) * trees.scale  # fmt: skip


def _looks_at(trees: PackedTrees, columns: int) -> NDArray[np.bool_]:
    """Return which tree looks at which column, shape ``(trees, columns)``."""
    found = np.zeros((len(trees.root), columns), bool)
    for t, start in enumerate(trees.root):
        open_nodes = [int(start)]
        while open_nodes:
            node = open_nodes.pop()
            if trees.feature[node] >= 0:
                found[t, trees.feature[node]] = True
                open_nodes += [int(trees.left[node]), int(trees.right[node])]
    return found


@compiled
def _leaf(
    start: int, feature: Int32Array, threshold: FloatArray, left: Int32Array, right: Int32Array,
    missing_left: NDArray[np.bool_], row: FloatArray,
) -> float:  # fmt: skip
    node = start
    while feature[node] >= 0:
        value = row[feature[node]]
        goes_left = missing_left[node] if np.isnan(value) else value <= threshold[node]
        node = left[node] if goes_left else right[node]
    return float(threshold[node])


@compiled
def _one_typical(  # noqa: PLR0913, PLR0917 - flat arrays are what numba compiles best
    root: Int32Array, feature: Int32Array, threshold: FloatArray, left: Int32Array,
    right: Int32Array, missing_left: NDArray[np.bool_], rows: FloatArray, reference: FloatArray,
    asked: NDArray[np.bool_], looks_at: NDArray[np.bool_],
) -> FloatArray:  # fmt: skip
    out = np.full(rows.shape, np.nan)
    leaves = np.empty(len(root))
    for i in range(len(rows)):
        row = rows[i].copy()
        for t in range(len(root)):
            leaves[t] = _leaf(root[t], feature, threshold, left, right, missing_left, row)
        for c in range(rows.shape[1]):
            if not asked[i, c]:
                continue
            row[c] = reference[c]
            total = 0.0
            for t in range(len(root)):
                if looks_at[t, c]:
                    total += _leaf(root[t], feature, threshold, left, right, missing_left, row)
                else:
                    total += leaves[t]
            out[i, c] = total
            row[c] = rows[i, c]
    return out
