"""Floats with the bits that scipy.signal has: sums in the result's dtype, whose products are added in SciPy's order.

Only what is not finite among complex numbers is left to SciPy: its compiler has rules of its own for their products.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from .. import _core
from .._call.arrays import new_output
from .._call.dtypes import Array
from .._call.modes import PaddingMode
from .._dropins.fallback import FOR_SCIPY
from .._dropins.finite import all_finite
from .._runtime.workers import Threads


class Part(NamedTuple):
    """A component of the output, and what its products are made of: real samples, what stands outside, and weights.

    Samples have one or two components on their first axis, weights on their last.
    """

    y: Array
    x: Array
    fills: list[float]
    weights: Array


def correlated_plane(
    x: Array, kernel: Array, shape: tuple[int, int], before: Sequence[int], mode: PaddingMode, fill: complex, *,
    mirror: bool,
) -> Array:  # fmt: skip
    """Return outputs of the correlation of a plane, or `FOR_SCIPY`; products are added in the order of the kernel.

    The kernel, or its image if `mirror`, begins `before` samples before the first output.
    """
    y = new_output(shape, np.result_type(x, kernel))
    if y.size == 0:
        return y
    with Threads(kernel.size * y.size, None) as threads:
        for part in _parts(x.astype(y.dtype) if fill.imag else x, kernel, y, fill):
            core = _core.load(part.y.dtype.name)
            core.correlate_plane(part.x, part.y, part.weights, before, mirror, mode.code, part.fills, threads)
    return y if _is_certain(y) else FOR_SCIPY


def filtered_phases(x: Array, phases: Array, y: Array, up: int, down: int, before: int, mode: PaddingMode) -> bool:
    """Write x (lines, samples, columns) to y (lines, outputs, columns), filtered; return whether it has SciPy's bits.

    The phases (outputs, taps) come again and again. Output `i` begins `before` samples before ``i * down // up``.
    """
    with Threads(y.size * phases.shape[1], None) as threads:
        for part in _parts(x, phases, y):
            core = _core.load(part.y.dtype.name)
            core.filter_phases(part.x, part.y, part.weights, up, down, before, mode.code, threads)
    return _is_certain(y)


def _parts(x: Array, weights: Array, y: Array, fill: complex = 0) -> Iterator[Part]:
    """Yield y, or each of its components."""
    components, fills = [x], [fill.real]
    if x.dtype.kind == "c":
        components, fills = [x.real, x.imag], [fill.real, fill.imag]

    def part(of_y: Array, which: Sequence[int], *of_weights: Array) -> Part:
        samples = np.stack([components[i] for i in which]) if len(which) > 1 else components[which[0]][None]
        packed = np.ascontiguousarray(np.stack(of_weights, axis=-1), of_y.dtype)
        return Part(of_y, samples, [fills[i] for i in which], packed)

    if y.dtype.kind != "c":
        yield part(y, [0], weights)
    elif weights.dtype.kind != "c":
        yield part(y.real, [0], weights)
        yield part(y.imag, [1], weights)
    elif x.dtype.kind != "c":
        yield part(y.real, [0], weights.real)
        yield part(y.imag, [0], weights.imag)
    else:
        yield part(y.real, [0, 1], weights.real, -weights.imag)
        yield part(y.imag, [0, 1], weights.imag, weights.real)


def _is_certain(y: Array) -> bool:
    """Whether results are SciPy's, whatever its compiler does where a complex product is lost."""
    return y.dtype.kind != "c" or all_finite(y)
