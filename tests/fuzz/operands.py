"""Arrays for the fuzzer: awkward in layout and in value, each kept as the recipe that makes it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import inf, nan

import numpy as np
from hypothesis import strategies as st

from support import layouts
from support.layouts import LAYOUTS


def _limits(dtype):
    return np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)


def _ramp(rng, shape, dtype):
    return (np.arange(math.prod(shape)) % 7 - (0 if dtype.kind == "u" else 3)).reshape(shape)


def _outer(rng, shape, dtype):
    """Return an outer product, which passes along each axis may take the place of."""
    product = np.ones((1,) * len(shape))
    for axis, size in enumerate(shape):
        line = rng.integers(1, 3, size) if dtype.kind in "biu" else rng.standard_normal(size)
        product = product * line.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return product


def _outlier(rng, shape, dtype):
    a = layouts.values(rng, shape, dtype)
    if a.size:
        a.flat[rng.integers(a.size)] = {2: 3e4, 4: 1e9}.get(a.real.itemsize, 1e14)
    return a


def _spread(rng, shape, dtype):
    """Return magnitudes all over the type's range, the squares of which would mostly be too large or too small."""
    largest = {2: 4, 4: 30}.get(layouts.values(rng, (), dtype).real.itemsize, 250)
    return layouts.values(rng, shape, dtype) * 10.0 ** rng.integers(-largest, largest, shape)


#: What an array holds, from the simplest on; those of the second table are for floating types alone.
CONTENTS = {
    "ones": lambda rng, shape, dtype: np.ones(shape),
    "ramp": _ramp,
    "values": layouts.values,
    "outer": _outer,
    "limits": lambda rng, shape, dtype: rng.choice(np.array([_limits(dtype).min, _limits(dtype).max], dtype), shape),
}
FLOATING_CONTENTS = {
    "outlier": _outlier,
    "spread": _spread,
    "tiny": lambda rng, shape, dtype: layouts.values(rng, shape, dtype) * np.finfo(dtype).smallest_subnormal * 8,
    "mostly zero": lambda rng, shape, dtype: layouts.values(rng, shape, dtype) * (rng.random(shape) < 0.1),
}
SPECIAL = (nan, inf, -inf, -0.0)
ARRANGEMENTS = ("contiguous", *sorted(set(LAYOUTS) - {"contiguous"}))


@dataclass(frozen=True)
class Operand:
    """The recipe of an array."""

    shape: tuple[int, ...]
    dtype: str
    content: str = "ones"
    seed: int = 0
    spots: tuple[tuple[int, float], ...] = ()
    layout: str = "contiguous"

    def plain(self) -> np.ndarray:
        """Return the array without its layout."""
        dtype = np.dtype(self.dtype)
        with np.errstate(all="ignore"):
            fill = (CONTENTS | FLOATING_CONTENTS)[self.content]
            a = np.asarray(fill(np.random.default_rng(self.seed), self.shape, dtype)).astype(dtype)
            for index, value in self.spots:
                a.flat[index] = value
        return a

    def array(self) -> np.ndarray:
        a = self.plain()
        if self.layout == "masked":  # the first element
            return np.ma.array(a, mask=np.arange(a.size).reshape(a.shape) == 0)
        return LAYOUTS[self.layout](a)

    def code(self) -> str:
        """Return an expression for the array: its numbers if they are few, else the recipe."""
        a = self.plain()
        if a.size > 60 or self.layout == "masked" or not a.size:
            return f"{self!r}.array()"
        text = f"np.array({a.tolist()!r}, {str(a.dtype)!r})"
        return text if self.layout == "contiguous" else f"layouts.{LAYOUTS[self.layout].__name__}({text})"


@st.composite
def operands(draw, shape, dtype, contents=None, special=SPECIAL, masked=True):
    """Draw an array of a shape and a type."""
    dtype, size = np.dtype(dtype).newbyteorder("="), math.prod(shape)
    floating = dtype.kind in "fc"
    if contents is None:
        contents = [name for name in CONTENTS if not (name == "limits" and dtype.kind in "bfc")]
        contents += [*FLOATING_CONTENTS, "values", "values"] if floating else []
    content = draw(st.sampled_from(contents))
    seed = 0 if content in ("ones", "ramp") else draw(st.integers(0, 99))
    spots = ()
    if floating and size and special and draw(st.integers(0, 2)) == 2:
        spots = tuple(draw(st.lists(st.tuples(st.integers(0, size - 1), st.sampled_from(special)), max_size=2)))
    layout = draw(st.sampled_from(ARRANGEMENTS))
    if masked and size and draw(st.integers(0, 199)) == 199:
        layout = "masked"
    return Operand(tuple(shape), str(dtype), content, seed, spots, layout)
