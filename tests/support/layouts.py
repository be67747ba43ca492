"""Arrays with given values in every layout that NumPy allows, and places for results to be written to."""

from __future__ import annotations

import math

import numpy as np

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")
COMPLEX = ("complex64", "complex128")
DTYPES = ("bool", *INTEGERS, *FLOATS, *COMPLEX)


def values(rng, shape, dtype):
    """Return random numbers: standard normal, or over the whole range of an integer type."""
    dtype = np.dtype(dtype)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    if dtype.kind == "c":
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def floats(*shape):
    """Return ones."""
    return np.ones(shape, np.float32)


def contiguous(a):
    return np.array(a, order="C")


def fortran(a):
    return np.array(a, order="F")


def sliced(a):
    """Take every second element of a larger array, which holds something else between."""
    base = np.full([2 * n + 3 for n in a.shape], 77).astype(a.dtype)
    view = base[tuple(slice(1, 1 + 2 * n, 2) for n in a.shape)]
    view[...] = a
    return view


def reversed_(a):
    """Use negative strides on every axis."""
    return np.flip(np.array(np.flip(a), order="C"))


def permuted(a):
    """Put the axes in another order in memory, as a transposition does."""
    order = [*range(1, a.ndim), 0] if a.ndim > 1 else [0]
    return np.array(a.transpose(order), order="C").transpose(np.argsort(order))


def window(a):
    """Take a block inside a larger array: rows are contiguous, the whole is not."""
    base = np.full([n + 5 for n in a.shape], 77).astype(a.dtype)
    view = base[tuple(slice(2, 2 + n) for n in a.shape)]
    view[...] = a
    return view


def misaligned(a):
    """Let the data begin one byte after an aligned address."""
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = np.ndarray(a.shape, a.dtype, buffer=raw, offset=1) if a.size else np.empty(a.shape, a.dtype)
    view[...] = a
    return view


def record_field(a):
    """Take a field of packed records, whose strides are no multiple of the item's size."""
    records = np.zeros(a.shape, np.dtype([("head", "i1"), ("field", a.dtype)]))
    records["field"] = a
    return records["field"]


def swapped(a):
    """Use the other byte order."""
    return a.astype(a.dtype.newbyteorder())


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def constant_along_first(a):
    """Use a stride of zero; the values along the first axis become equal."""
    return np.broadcast_to(np.array(a[:1]), a.shape)


def constant_along_last(a):
    """Use a stride of zero on the last axis."""
    return np.broadcast_to(np.array(a[..., :1]), a.shape)


LAYOUTS = {
    f.__name__.strip("_"): f
    for f in (
        contiguous,
        fortran,
        sliced,
        reversed_,
        permuted,
        window,
        misaligned,
        record_field,
        swapped,
        read_only,
        constant_along_first,
        constant_along_last,
    )
}


class Place:
    """An `out` array of some layout inside a larger block, which must stay as it was everywhere else."""

    layouts = ("contiguous", "fortran", "sliced", "window", "reversed")

    def __init__(self, shape, dtype, layout="contiguous"):
        dtype = np.dtype(dtype)
        step, margin = {"sliced": (2, 1), "window": (1, 2)}.get(layout, (1, 0))
        order = "F" if layout == "fortran" else "C"
        self.base = np.full([step * n + 2 * margin for n in shape], 99, dtype=dtype, order=order)
        inside = tuple(slice(margin, margin + step * n, step) for n in shape)
        self.out = self.base[inside]
        if layout == "reversed":
            self.out = np.flip(self.out)
        self._outside = np.ones(self.base.shape, bool)
        self._outside[inside] = False
        assert self.out.shape == tuple(shape)
        assert math.prod(shape) == self.out.size

    def untouched_outside(self):
        return bool((self.base[self._outside] == 99).all())

    def untouched(self):
        return bool((self.base == 99).all())
