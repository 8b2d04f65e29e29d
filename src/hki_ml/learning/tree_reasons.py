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
