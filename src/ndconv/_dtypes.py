"""Which dtype a call computes in and returns, and what arrays it accepts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_COMPUTE_TYPES = {"e": "float32", "f": "float32", "F": "float32", "d": "float64", "D": "float64"}


def as_array(value: Any, name: str) -> Array:
    """Return an array argument as an array of a supported dtype, without a copy where that is possible."""
    if not isinstance(value, np.ndarray):
        if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
            value = np.from_dlpack(value)
        try:
            value = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"{name} must be an array or something like one: {error}") from None
    check_dtype(value.dtype, name)
    return np.asarray(value)


def check_dtype(dtype: np.dtype[Any], name: str) -> None:
    """Raise for a dtype that no call computes in."""
    if dtype.kind not in "biufc" or dtype.char in "gG":
        raise TypeError(
            f"{name} must have a boolean, integer, float16, float32, float64, complex64 or complex128 dtype, "
            f"got {dtype}"
        )


def result_dtype(*arrays: Array) -> np.dtype[Any]:
    """Return the dtype of a result: NumPy's rules, where a result of bools alone is of int8."""
    dtype = np.result_type(*(a.dtype for a in arrays))
    return np.dtype(np.int8) if dtype.kind == "b" else dtype.newbyteorder("=")


def wider_dtype(dtype: Any, *arrays: Array) -> np.dtype[Any]:
    """Return a result dtype that was asked for, to which that of the arrays can be cast without loss."""
    try:
        wanted: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"dtype must be something that numpy.dtype knows, got {dtype!r}") from None
    least = np.result_type(*(a.dtype for a in arrays))
    if wanted.kind not in "iufc" or wanted.char in "gG" or not np.can_cast(least, wanted, "safe"):
        raise TypeError(
            f"dtype must be an integer, floating or complex type that {least} can be cast to safely, got {wanted}"
        )
    return wanted.newbyteorder("=")


def compute_type(dtype: np.dtype[Any]) -> str:
    """Return the core's type that results of a dtype are computed in; integers wrap around in it."""
    return _COMPUTE_TYPES.get(dtype.char) or ("uint64" if dtype.itemsize == 8 else "uint32")


def real_weights(weight: Array, dtype: np.dtype[Any], x_is_complex: bool) -> Array:
    """Return weights (sets, out, in, ...) for the core, which knows real numbers alone.

    A complex layer is a real one with twice the channels: of a weight ``a + bi``, the output's real part takes a times
    the input's real part and -b times its imaginary part; the output's imaginary part takes b and a.
    """
    compute = compute_type(dtype)
    if dtype.kind in "iu":
        # Through the result type, so that narrow values keep their sign.
        return np.require(weight, f"int{compute[4:]}" if dtype.kind == "i" else compute, "A")
    if dtype.kind != "c":
        return np.require(weight, compute, "A")
    weight = np.asarray(weight, dtype=dtype)
    sets, outputs, inputs, *kernel = weight.shape
    of_x = 2 if x_is_complex else 1
    real = np.empty((sets, outputs, 2, inputs, of_x, *kernel), dtype=compute)
    real[:, :, 0, :, 0] = weight.real
    real[:, :, 1, :, 0] = weight.imag
    if x_is_complex:
        real[:, :, 0, :, 1] = -weight.imag
        real[:, :, 1, :, 1] = weight.real
    return real.reshape(sets, 2 * outputs, of_x * inputs, *kernel)


def real_vector(vector: Array, dtype: np.dtype[Any]) -> Array:
    """Return a bias for the core: contiguous, of the compute type, a complex entry as two."""
    if dtype.kind == "c":
        return np.ascontiguousarray(vector, dtype=dtype).view(compute_type(dtype))
    if dtype.kind in "iu":
        return np.ascontiguousarray(np.asarray(vector, dtype=dtype).astype(compute_type(dtype)))
    return np.ascontiguousarray(vector, dtype=compute_type(dtype))
