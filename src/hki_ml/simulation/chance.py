"""Chance by counter: a draw is a hash of what it is for, so that no draw depends on another.

SplitMix64: Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled

Keys = NDArray[np.uint64]
FloatArray = NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_UNIT = 1.0 / 9007199254740992.0  # 2 ** -53


@compiled
def mixed(key: np.uint64) -> np.uint64:
    """Return the key with its bits mixed (one step of SplitMix64)."""
    z = key + _GOLDEN
    z = (z ^ (z >> _30)) * _FIRST
    z = (z ^ (z >> _27)) * _SECOND
    return z ^ (z >> _31)


@compiled
def child(key: np.uint64, number: int) -> np.uint64:
    """Return the key of the numbered part of what the key stands for."""
    return mixed(key ^ mixed(np.uint64(number)))


@compiled
def uniform(key: np.uint64, counter: int) -> float:
    """Return the numbered draw of the key, in [0, 1)."""
    return float(mixed(key + np.uint64(counter) * _GOLDEN) >> _11) * _UNIT


@compiled
def children(key: np.uint64, numbers: NDArray[np.int64]) -> Keys:
    """Return the keys of numbered parts, shape ``(n,)``."""
    out = np.empty(len(numbers), np.uint64)
    for i in range(len(numbers)):
        out[i] = child(key, numbers[i])
    return out


@compiled
def uniforms(keys: Keys, counter: int) -> FloatArray:
    """Return the numbered draw of each key, shape ``(n,)``."""
    out = np.empty(len(keys))
    for i in range(len(keys)):
        out[i] = uniform(keys[i], counter)
    return out


def normals(keys: Keys, counter: int) -> FloatArray:
    """Return a standard normal draw of each key; it takes the counters ``counter`` and one more."""
    radius = np.sqrt(-2.0 * np.log(1.0 - uniforms(keys, counter)))
    drawn: FloatArray = radius * np.cos(2.0 * np.pi * uniforms(keys, counter + 1))
    return drawn


def seed_key(seed: int, purpose: int) -> np.uint64:
    """Return the key that everything of one purpose hangs on."""
    return np.uint64(child(np.uint64(seed % 2**64), purpose))


@compiled
def uniforms_at(keys: Keys, counters: NDArray[np.int64]) -> FloatArray:
    """Return the draw of each key with the number beside it, shape ``(n,)``."""
    out = np.empty(len(keys))
    for i in range(len(keys)):
        out[i] = uniform(keys[i], counters[i])
    return out
