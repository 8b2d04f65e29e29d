"""The network: attention over comparables, corrected by facts and area; trained in Torch, run as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled
from hki_ml.models.valuation.features import View
from hki_ml.models.valuation.homes import FloatArray, IntArray

if TYPE_CHECKING:
    import torch

_EMBEDDING = 8
_HIDDEN = 96
_PAIR_HIDDEN = 24
_LIMIT = 5.0  # standard deviations beyond which a fact is as good as this far


@dataclass(frozen=True, slots=True)
class Scaling:
    """How features enter a network: centred, scaled, limited; missing is the middle."""

    mean: FloatArray
    deviation: FloatArray
    areas: IntArray

    @classmethod
    def of(cls, view: View) -> Scaling:
        """Learn middles and spreads of the features, and which areas there are."""
        seen = ~np.isnan(view.table)
        count = np.maximum(seen.sum(axis=0), 1)
        values = np.nan_to_num(view.table)
        mean = values.sum(axis=0) / count
        spread = np.sqrt((np.where(seen, values - mean, 0.0) ** 2).sum(axis=0) / count)
        return cls(mean, spread + 1e-6, np.unique(view.area))

    def table(self, view: View) -> FloatArray:
        """Return features as the network takes them."""
        return np.clip(np.nan_to_num((view.table - self.mean) / self.deviation), -_LIMIT, _LIMIT)

    def area(self, view: View) -> IntArray:
        """Return the row of each area's embedding; the last row is for areas never seen."""
        at = np.minimum(np.searchsorted(self.areas, view.area), len(self.areas) - 1)
        return np.where(self.areas[at] == view.area, at, len(self.areas))


@dataclass(frozen=True, slots=True)
class Network:
    """A trained network as arrays; several of them are averaged by the ensemble.

    ``layers`` holds weights as ``(in, out)`` and biases: embedding, three of the pair tower, three of
    the facts tower.
    """

    scaling: Scaling
    layers: Mapping[str, FloatArray]

    def predict(self, view: View) -> FloatArray:
        """Return the correction to `View.base` (log price), shape ``(n,)``; each row on its own."""
        p = self.layers
        return _forward(
            self.scaling.table(view), self.scaling.area(view), view.pair, view.pair_residual,
            view.found.rows, p["embedding"], p["pair1"], p["pair1_bias"], p["pair2"],
            p["pair2_bias"], p["pair3"], p["pair3_bias"], p["fact1"], p["fact1_bias"],
            p["fact2"], p["fact2_bias"], p["out"], p["out_bias"],
        )  # fmt: skip


@compiled
def _dense(
    x: FloatArray,
    weight: FloatArray,
    bias: FloatArray,
    out: FloatArray,
    silu: bool,  # noqa: FBT001
) -> None:
    for j in range(len(bias)):
        out[j] = bias[j]
    for i in range(len(x)):
        v = x[i]
        if v != 0.0:
            for j in range(len(bias)):
                out[j] += v * weight[i, j]
    if silu:
        for j in range(len(bias)):
            out[j] = out[j] / (1.0 + np.exp(-out[j]))


@compiled
def _forward(  # noqa: C901, PLR0912, PLR0913, PLR0917 - flat arrays are what numba compiles best
    table: FloatArray, area: IntArray, pair: NDArray[np.float32], residual: FloatArray,
    rows: IntArray, emb: FloatArray, p1: FloatArray, b1: FloatArray, p2: FloatArray,
    b2: FloatArray, p3: FloatArray, b3: FloatArray, f1: FloatArray, c1: FloatArray,
    f2: FloatArray, c2: FloatArray, f3: FloatArray, c3: FloatArray,
) -> FloatArray:  # fmt: skip
    n, facts = table.shape
    count = rows.shape[1]
    out = np.empty(n)
    x = np.empty(f1.shape[0])
    q = np.empty(p1.shape[0])
    u1, u2, u3 = np.empty(len(b1)), np.empty(len(b2)), np.empty(len(b3))
    h1, h2, h3 = np.empty(len(c1)), np.empty(len(c2)), np.empty(len(c3))
    score, said = np.empty(count), np.empty(count)
    value, spread = 0.0, 0.0
    for i in range(n):
        # What-if rows come one after another with the same comparables: what those say is known.
        is_said = i > 0
        for k in range(count if is_said else 0):
            is_said = (
                is_said and rows[i, k] == rows[i - 1, k] and residual[i, k] == residual[i - 1, k]
            )
            for j in range(len(q)):
                is_said = is_said and pair[i, k, j] == pair[i - 1, k, j]
            if not is_said:
                break
        filled, top = 0, -np.inf
        while not is_said and filled < count and rows[i, filled] >= 0:
            for j in range(len(q)):
                q[j] = pair[i, filled, j]
            _dense(q, p1, b1, u1, True)  # noqa: FBT003
            _dense(u1, p2, b2, u2, True)  # noqa: FBT003
            _dense(u2, p3, b3, u3, False)  # noqa: FBT003
            score[filled] = u3[0]
            said[filled] = residual[i, filled] + 0.1 * u3[1]
            top = max(top, u3[0])
            filled += 1
        total = 0.0
        if not is_said:
            value, spread = 0.0, 0.0
        for k in range(filled):
            score[k] = np.exp(score[k] - top)
            total += score[k]
            value += score[k] * said[k]
        if filled > 0:
            value /= total
            for k in range(filled):
                spread += score[k] / total * (residual[i, k] - value) ** 2
        for j in range(facts):
            x[j] = table[i, j]
        for j in range(emb.shape[1]):
            x[facts + j] = emb[area[i], j]
        x[facts + emb.shape[1]] = 3.0 * value
        x[facts + emb.shape[1] + 1] = 3.0 * np.sqrt(spread + 1e-6)
        _dense(x, f1, c1, h1, True)  # noqa: FBT003
        _dense(h1, f2, c2, h2, True)  # noqa: FBT003
        for j in range(len(h2)):
            h2[j] += h1[j]
        _dense(h2, f3, c3, h3, False)  # noqa: FBT003
        out[i] = value + 0.3 * h3[0]
    return out


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a network is trained: passes over the rows, rows a step, highest learning rate, decay."""

    epochs: int = 14
    batch: int = 512
    rate: float = 4e-3
    decay: float = 1e-2


def _parameters(facts: int, areas: int, pair: int, seed: int) -> dict[str, torch.Tensor]:
    import torch

    draw = torch.Generator().manual_seed(seed)
    wide = facts + _EMBEDDING + 2
    shapes = {
        "pair1": (pair, _PAIR_HIDDEN), "pair2": (_PAIR_HIDDEN, _PAIR_HIDDEN), "pair3": (_PAIR_HIDDEN, 2),
        "fact1": (wide, _HIDDEN), "fact2": (_HIDDEN, _HIDDEN), "out": (_HIDDEN, 1),
    }  # fmt: skip
    made = {"embedding": torch.randn((areas + 1, _EMBEDDING), generator=draw) * 0.3}
    made["embedding"][-1] = 0.0  # an area never seen is an ordinary one
    for name, (rows, columns) in shapes.items():
        limit = rows**-0.5
        made[name] = (torch.rand((rows, columns), generator=draw) * 2 - 1) * limit
        made[f"{name}_bias"] = (torch.rand(columns, generator=draw) * 2 - 1) * limit
    return {name: value.requires_grad_() for name, value in made.items()}


def _apply(p: Mapping[str, torch.Tensor], x: tuple[torch.Tensor, ...], draw: Any) -> torch.Tensor:
    """Return predictions; with a generator also a little dropout (5 %) in the facts tower."""
    import torch
    from torch.nn.functional import silu

    table, area, pair, residual, is_there = x
    u = silu(silu(pair @ p["pair1"] + p["pair1_bias"]) @ p["pair2"] + p["pair2_bias"])
    o = u @ p["pair3"] + p["pair3_bias"]
    score = torch.softmax(o[..., 0].masked_fill(~is_there, -1e9), 1) * is_there
    value = (score * (residual + 0.1 * o[..., 1])).sum(1)
    spread = ((score * (residual - value[:, None]) ** 2).sum(1) + 1e-6).sqrt()
    wide = torch.cat([table, p["embedding"][area], 3 * value[:, None], 3 * spread[:, None]], 1)
    h = silu(wide @ p["fact1"] + p["fact1_bias"]) * _kept(len(wide), draw)
    h = (h + silu(h @ p["fact2"] + p["fact2_bias"])) * _kept(len(wide), draw)
    return value + 0.3 * (h @ p["out"] + p["out_bias"])[:, 0]


def _tensors(scaling: Scaling, view: View) -> tuple[torch.Tensor, ...]:
    import torch

    return (
        torch.as_tensor(scaling.table(view).astype(np.float32)),
        torch.as_tensor(scaling.area(view)),
        torch.as_tensor(view.pair),
        torch.as_tensor(view.pair_residual.astype(np.float32)),
        torch.as_tensor(view.found.rows >= 0),
    )


def torch_prediction(network: Network, view: View) -> FloatArray:
    """Return what Torch itself predicts with the network's weights, to hold the arrays against."""
    import torch

    weights = {k: torch.as_tensor(v.astype(np.float32)) for k, v in network.layers.items()}
    with torch.no_grad():
        said = _apply(weights, _tensors(network.scaling, view), None)
    return np.asarray(said.numpy().astype(np.float64))


def _kept(rows: int, draw: Any) -> Any:
    import torch

    if draw is None:
        return 1.0
    return (torch.rand((rows, _HIDDEN), generator=draw) > 0.05).float() / 0.95


def fit_network(view: View, target: FloatArray, *, seed: int, schedule: Schedule) -> Network:
    """Train on ``target`` = log price less `View.base`, by absolute error.

    The unseen area's embedding stays at zero. Same seed and rows, same arrays.
    """
    import torch

    scaling = Scaling.of(view)
    data = _tensors(scaling, view)
    wanted = torch.as_tensor(target.astype(np.float32))
    p = _parameters(view.table.shape[1], len(scaling.areas), view.pair.shape[2], seed)
    draw = torch.Generator().manual_seed(seed + 1)
    batch = min(schedule.batch, max(32, len(wanted) // 16))
    steps = max(len(wanted) // batch, 1)
    optimizer = torch.optim.AdamW(list(p.values()), lr=schedule.rate, weight_decay=schedule.decay)
    plan = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, schedule.rate, total_steps=schedule.epochs * steps + 1, pct_start=0.15
    )
    for _ in range(schedule.epochs):
        order = torch.randperm(len(wanted), generator=draw)
        for step in range(steps):
            rows = order[step * batch : (step + 1) * batch]
            loss = (_apply(p, tuple(d[rows] for d in data), draw) - wanted[rows]).abs().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            plan.step()
    return Network(scaling, {k: v.detach().numpy().astype(np.float64) for k, v in p.items()})
