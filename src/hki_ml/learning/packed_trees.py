"""Boosted trees and forests as plain arrays, walked by a compiled kernel: no tree library to predict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled

FloatArray = NDArray[np.float64]
Int32Array = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PackedTrees:
    """Numeric trees of one model, nodes of all trees in a row.

    Attributes
    ----------
    root
        First node of each tree, shape ``(trees,)``.
    feature
        Column to look at, -1 in a leaf, shape ``(nodes,)``.
    threshold
        Left if the value is at most this; in a leaf, the leaf's value.
    left, right
        Children.
    missing_left
        Whether NaN goes left.
    scale
        Factor on the sum of leaves: 1 for boosting, 1/trees for a forest.
    is_single
        Whether values are compared in single precision (scikit-learn does).
    """

    root: Int32Array
    feature: Int32Array
    threshold: FloatArray
    left: Int32Array
    right: Int32Array
    missing_left: NDArray[np.bool_]
    scale: float
    is_single: bool

    def predict(self, table: FloatArray) -> FloatArray:
        """Return the model's raw output a row, shape ``(n,)``."""
        rows = np.ascontiguousarray(table, dtype=np.float64)
        if self.is_single:
            rows = single(rows)
        return _walk(
            self.root, self.feature, self.threshold, self.left, self.right, self.missing_left, rows
        ) * self.scale  # fmt: skip

    def first(self, count: int) -> PackedTrees:
        """Return a model of the first ``count`` trees, sharing the nodes."""
        return replace(self, root=self.root[:count])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays, for storage."""
        return {
            "root": self.root, "feature": self.feature, "threshold": self.threshold,
            "left": self.left, "right": self.right, "missing_left": self.missing_left,
            "scale": np.array(self.scale), "is_single": np.array(self.is_single),
        }  # fmt: skip

    @classmethod
    def of_arrays(cls, stored: Mapping[str, NDArray[Any]]) -> PackedTrees:
        """Return the trees that `arrays` gave."""
        return cls(
            stored["root"], stored["feature"], stored["threshold"], stored["left"], stored["right"],
            stored["missing_left"], float(stored["scale"]), bool(stored["is_single"]),
        )  # fmt: skip


@compiled
def _walk(
    root: Int32Array, feature: Int32Array, threshold: FloatArray, left: Int32Array,
    right: Int32Array, missing_left: NDArray[np.bool_], rows: FloatArray,
) -> FloatArray:  # fmt: skip
    out = np.zeros(len(rows))
    # Trees outside, rows inside: a tree stays in the cache; a row still adds its trees in order.
    for t in range(len(root)):
        for i in range(len(rows)):
            node = root[t]
            while feature[node] >= 0:
                value = rows[i, feature[node]]
                goes_left = missing_left[node] if np.isnan(value) else value <= threshold[node]
                node = left[node] if goes_left else right[node]
            out[i] += threshold[node]
    return out


class _Nodes:
    """Nodes as they are read from a library's tree."""

    def __init__(self) -> None:
        self.feature: list[int] = []
        self.threshold: list[float] = []
        self.left: list[int] = []
        self.right: list[int] = []
        self.missing_left: list[bool] = []

    def add(self, feature: int, threshold: float, *, missing_left: bool) -> int:
        self.feature.append(feature)
        self.threshold.append(threshold)
        self.left.append(-1)
        self.right.append(-1)
        self.missing_left.append(missing_left)
        return len(self.feature) - 1


def pack_lightgbm(booster: Any) -> PackedTrees:
    """Pack a LightGBM booster with numeric splits; equal to its raw scores.

    Raises
    ------
    ValueError
        If a split is categorical or treats zero as missing.
    """
    nodes, roots = _Nodes(), []
    for tree in booster.dump_model()["tree_info"]:
        roots.append(len(nodes.feature))
        open_nodes = [(tree["tree_structure"], -1, True)]
        while open_nodes:
            source, parent, is_left = open_nodes.pop()
            at = _add_lightgbm_node(nodes, source)
            if parent >= 0:
                (nodes.left if is_left else nodes.right)[parent] = at
            if "split_feature" in source:
                open_nodes += [(source["right_child"], at, False), (source["left_child"], at, True)]
    return _packed(nodes, roots, scale=1.0, is_single=False)


def _add_lightgbm_node(nodes: _Nodes, source: Mapping[str, Any]) -> int:
    if "split_feature" not in source:
        return nodes.add(-1, float(source["leaf_value"]), missing_left=False)
    if source["decision_type"] != "<=" or source["missing_type"] == "Zero":
        got = f"{source['decision_type']}, {source['missing_type']}"
        raise ValueError(f"expected numeric splits with NaN as missing, got {got}")
    # Without missing values in training LightGBM reads NaN as 0.
    as_missing = source["missing_type"] == "NaN"
    goes_left = bool(source["default_left"]) if as_missing else float(source["threshold"]) >= 0
    return nodes.add(
        int(source["split_feature"]), float(source["threshold"]), missing_left=goes_left
    )


def pack_xgboost(booster: Any) -> PackedTrees:
    """Pack an XGBoost tree booster with numeric splits; equal to its margin less the base margin.

    XGBoost adds leaves in single precision: sums differ in the seventh digit.

    Raises
    ------
    ValueError
        If a split is categorical or a leaf holds several values.
    """
    model = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]
    nodes: list[tuple[NDArray[Any], ...]] = []
    roots: list[int] = []
    size = 0
    for tree in model["trees"]:
        if any(tree["split_type"]) or int(tree["tree_param"]["size_leaf_vector"]) > 1:
            raise ValueError(
                "expected numeric splits and one value a leaf, got another kind of tree"
            )
        left = np.array(tree["left_children"], np.int32)
        right = np.array(tree["right_children"], np.int32)
        value = np.array(tree["split_conditions"], np.float32)
        inner = left >= 0
        # XGBoost goes left below the threshold, in single precision; here it is at or below.
        below = np.nextafter(value, np.float32(-np.inf))
        nodes.append((
            np.where(inner, np.array(tree["split_indices"], np.int32), -1),
            np.where(inner, below, value).astype(np.float64),
            np.where(inner, left + size, -1),
            np.where(inner, right + size, -1),
            np.array(tree["default_left"], bool),
        ))  # fmt: skip
        roots.append(size)
        size += len(left)
    feature, threshold, left, right, missing = (np.concatenate(c) for c in zip(*nodes, strict=True))
    return PackedTrees(
        np.array(roots, np.int32), feature.astype(np.int32), threshold, left.astype(np.int32),
        right.astype(np.int32), missing, 1.0, is_single=True,
    )  # fmt: skip


def pack_forest(forest: Any) -> PackedTrees:
    """Pack a scikit-learn forest of regression trees; equal to its mean."""
    parts: list[tuple[Any, ...]] = []
    roots: list[int] = []
    size = 0
    for estimator in forest.estimators_:
        tree = estimator.tree_
        inner = tree.children_left >= 0
        parts.append((
            np.where(inner, tree.feature, -1),
            np.where(inner, tree.threshold, tree.value[:, 0, 0]),
            np.where(inner, tree.children_left + size, -1),
            np.where(inner, tree.children_right + size, -1),
            tree.missing_go_to_left.astype(bool),
        ))  # fmt: skip
        roots.append(size)
        size += tree.node_count
    feature, threshold, left, right, missing = (np.concatenate(c) for c in zip(*parts, strict=True))
    return PackedTrees(
        np.array(roots, np.int32), feature.astype(np.int32), threshold, left.astype(np.int32),
        right.astype(np.int32), missing, 1.0 / len(roots), is_single=True,
    )  # fmt: skip


def _packed(nodes: _Nodes, roots: list[int], *, scale: float, is_single: bool) -> PackedTrees:
    return PackedTrees(
        np.array(roots, np.int32), np.array(nodes.feature, np.int32), np.array(nodes.threshold),
        np.array(nodes.left, np.int32), np.array(nodes.right, np.int32),
        np.array(nodes.missing_left, bool), scale, is_single,
    )  # fmt: skip


_LARGEST = float(np.finfo(np.float32).max)


def single(rows: FloatArray) -> FloatArray:
    """Return numbers as a tree of single precision sees them; what it cannot hold is its largest.

    Examples
    --------
    >>> single(np.array([1e300, 0.1])).tolist()
    [3.4028234663852886e+38, 0.10000000149011612]
    """
    return np.clip(rows, -_LARGEST, _LARGEST).astype(np.float32).astype(np.float64)
