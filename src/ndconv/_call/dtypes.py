"""Which dtype a call computes in and returns, and what arrays it accepts."""

import reprlib
import sys
from collections.abc import Mapping, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_COMPUTE_TYPES = {"e": "float32", "f": "float32", "F": "float32", "d": "float64", "D": "float64"}

# Where DLPack has memory that the CPU can read: its own, and that which a GPU's library lent it or shares with it.
_CPU_DEVICES = (1, 3, 11, 13)


def as_array(value: Any, name: str) -> Array:
    """Return an array argument as an array of a supported dtype, without a copy where that is possible.

    Of a masked array, its data; most arguments must be `unmasked_array` instead.
    """
    if not isinstance(value, np.ndarray):
        value = _converted(value, name)
    check_dtype(value.dtype, name)
    return value if type(value) is np.ndarray else np.asarray(value)


def unmasked_array(value: Any, name: str) -> Array:
    """Return the same, or raise for a masked array, where nothing could stand for what is masked."""
    if type(value) is not np.ndarray and _is_masked(value):
        raise TypeError(
            f"{name} must not be a masked array, got one of shape {np.shape(value)}: fill it, as {name}.filled(0) "
            f"does, or use correlate_nd, to which masked samples of x are missing"
        )
    return as_array(value, name)


def _is_masked(value: Any) -> bool:
    """Whether a value is a masked array, or a list with such; NumPy imports these when they are first asked for."""
    ma = sys.modules.get("numpy.ma")
    if ma is None:
        return False
    if isinstance(value, (list, tuple)):
        return any(isinstance(entry, ma.MaskedArray) for entry in value)
    return isinstance(value, ma.MaskedArray)


def _converted(value: Any, name: str) -> Array:
    """Return something like an array as one, or say what it is instead."""
    what = f"{name} must be an array, or something like one, in the CPU's memory"
    kind = type(value).__name__
    if isinstance(value, (str, bytes, Set, Mapping)) or value is None:
        raise TypeError(f"{what}; got {reprlib.repr(value)}")
    sparse = sys.modules.get("scipy.sparse")
    if sparse is not None and sparse.issparse(value):
        raise TypeError(f"{what}; got a sparse {kind}: make it dense by its method toarray()")
    if getattr(value, "requires_grad", False) is True and hasattr(value, "detach"):
        raise TypeError(f"{what}; got a {kind} that requires gradients, which end here: detach() it")
    try:
        device = value.__dlpack_device__()[0] if hasattr(value, "__dlpack_device__") else _CPU_DEVICES[0]
        if device not in _CPU_DEVICES:
            raise TypeError(f"it is on a device of DLPack's type {int(device)}: copy it to the CPU")
        if not hasattr(value, "__array__") and hasattr(value, "__dlpack__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except MemoryError:
        raise
    except Exception as error:  # whatever another library says
        wrong_value = isinstance(value, (list, tuple)) and isinstance(error, ValueError)
        raise (ValueError if wrong_value else TypeError)(f"{what}; got a {kind}: {error}") from error


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


def promoted_for_fill(x: Array, fill_value: Any) -> Array:
    """Return x, as complex samples if those outside it are complex and it is not."""
    if type(fill_value) is float or x.dtype.kind == "c":  # as most are, and asking costs a small call a tenth
        return x
    if np.iscomplexobj(fill_value) and np.ndim(fill_value) == 0 and fill_value.imag:
        return x.astype(np.result_type(x.dtype, np.complex64))
    return x


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
        as_is = weight.dtype == dtype and dtype.char in "fd" and weight.flags.aligned
        return weight if as_is else np.require(weight, compute, "A")
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
    """Return a bias for the core: contiguous and aligned, of the compute type, a complex entry as two."""
    if dtype.kind in "iu":
        return np.ascontiguousarray(np.asarray(vector, dtype=dtype).astype(compute_type(dtype)))
    vector = np.ascontiguousarray(vector, dtype=dtype if dtype.kind == "c" else compute_type(dtype))
    if not vector.flags.aligned:
        vector = vector.copy()
    return vector.view(compute_type(dtype)) if dtype.kind == "c" else vector


def like(gradient: Array, primal: Array) -> Array:
    """Return a gradient as real numbers, and in their room, if what it belongs to is real."""
    return gradient.real.copy() if gradient.dtype.kind == "c" and primal.dtype.kind != "c" else gradient
