"""The compiled core: which of its builds this machine runs, and what Python knows of one."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol, cast

import numpy as np

from . import machine


class Core(Protocol):
    """The core for one compute type."""

    __name__: str
    compute_dtype: np.dtype[Any]
    lanes: int
    """Samples of a vector."""
    strip: int
    """Pixels that a tile kernel stores together."""
    tile_vectors: int
    """Most vectors of output channels of a tile."""
    tile_channels: int
    """The same in channels."""
    tile_pixels: list[int]
    """Most pixels of a tile of 1, 2, ... vectors."""
    bank_channels: int
    """Most output channels of a bank."""
    bank_vectors: int
    """Most vectors of pixels of a bank."""
    most_phases: int
    """Most phases of a transposed layer that are computed together."""

    def Direct(self, blocking: Any) -> Any:
        """Return a plan of the direct method."""

    def Winograd(self, blocking: Any, tiling: Any) -> Any:
        """Return a plan of Winograd's method."""

    def Polyphase(self, blockings: list[Any]) -> Any:
        """Return a plan of the phases of a transposed layer, in turns along the last axis."""

    def WeightGradient(self, blocking: Any, cut: Any) -> Any:
        """Return a plan of the gradient to weights."""

    def running_means(
        self, x: Any, y: Any, axis: int, size: int, before: int, mode: int, fill: float, workers: int
    ) -> None:
        """Write to y the means over windows along an axis, with SciPy's bits."""

    def correlate_lines(
        self, x: Any, y: Any, axis: int, down: Any, across: Any, across_first: bool, fill: float, workers: int
    ) -> None:
        """Write to y the correlations of x down an axis and across its rows, with SciPy's bits."""

    def correlate_window(
        self, x: Any, y: Any, weights: Any, before: Sequence[int], mode: int, fill: float, workers: int
    ) -> None:
        """Write to y the correlation of x by a window, with SciPy's bits."""

    def correlate_plane(
        self, x: Any, y: Any, weights: Any, before: Sequence[int], backwards: bool, mode: int, fills: list[float],
        workers: int,
    ) -> None:  # fmt: skip
        """Write to y the correlation of a plane, or of one's real and imaginary parts, with scipy.signal's bits."""

    def filter_phases(
        self, x: Any, y: Any, weights: Any, up: int, down: int, before: int, mode: int, workers: int
    ) -> None:
        """Write to y what an up- and downsampling filter makes of x, with scipy.signal's bits."""


def supported_levels() -> tuple[str, ...]:
    """Return the instruction-set levels that were built and that this processor has, best last."""
    return tuple(level for level in machine.built_levels if machine.has_level(level))


def _choose_level() -> str:
    forced = os.environ.get("NDCONV_ISA")
    if not forced:
        return supported_levels()[-1]
    if forced not in machine.built_levels:
        raise ImportError(f"NDCONV_ISA={forced!r}: expected one of the built levels {', '.join(machine.built_levels)}")
    if forced not in supported_levels():
        raise ImportError(f"NDCONV_ISA={forced!r}: this processor has only {', '.join(supported_levels())}")
    return forced


_level = _choose_level()


def level() -> str:
    """Return the instruction-set level in use."""
    return _level


@cache
def load(compute_type: str) -> Core:
    """Return the core for a compute type: "float32", "float64", "uint32" or "uint64"."""
    return cast(Core, importlib.import_module(f"{__name__}.{compute_type}_{_level.replace('-', '_')}"))
