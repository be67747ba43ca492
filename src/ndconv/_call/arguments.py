"""Normalisers: small pure functions, each of which turns one argument into its only form or says what is wrong."""

import operator
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, cast

import numpy as np

from .modes import BY_NAME, PaddingMode

T = TypeVar("T")

Pair = tuple[int, int]
PerAxis = int | tuple[int, ...]
Padding = int | str | tuple[int | Pair, ...]

MODES = ("full", "same", "valid")
PADDINGS = ("valid", "same", "same_lower", "full", "causal")

# Sizes and offsets are signed 64-bit integers, of bytes in the end.
LARGEST = 2**63 - 1


def integer(value: Any, name: str, *, minimum: int | None = None) -> int:
    """Return an integer argument as an int."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if minimum is not None and number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}")
    if abs(number) > LARGEST:
        raise ValueError(f"{name} must fit in 64 bits, got {value!r}")
    return number


def flag(value: Any, name: str) -> bool:
    """Return an argument that must be True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def is_sequence(value: Any) -> bool:
    """Whether an argument has one entry per axis (an array counts, unless it is a scalar)."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str)


def checked_shape(shape: Any, name: str) -> tuple[int, ...]:
    """Return a shape argument as a tuple of ints."""
    if not is_sequence(shape):
        raise TypeError(f"{name} must be a sequence of integers, got {shape!r}")
    return tuple(integer(n, name, minimum=0) for n in shape)


def per_axis(value: Any, ndim: int, name: str, *, minimum: int | None = None) -> tuple[int, ...]:
    """Return an int, or one per axis, as one per axis."""
    if not is_sequence(value):
        return (integer(value, name, minimum=minimum),) * ndim
    if len(value) != ndim:
        raise ValueError(f"{name} must be an integer or one per spatial axis ({ndim}), got {value!r}")
    return tuple(integer(entry, name, minimum=minimum) for entry in value)


def padding_pairs(
    padding: Any,
    in_shape: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[Pair, ...]:
    """Return the samples to pad before and after each axis."""
    ndim = len(kernel)
    if isinstance(padding, str):
        if padding not in PADDINGS:
            raise ValueError(
                f"padding must be an integer, one per axis, pairs, or one of {', '.join(PADDINGS)}; got {padding!r}"
            )
        return tuple(map(_named_padding, (padding,) * ndim, in_shape, kernel, stride, dilation))
    if is_sequence(padding) and len(padding) == ndim and any(is_sequence(entry) for entry in padding):
        return tuple(_pair(entry) for entry in padding)
    return tuple((n, n) for n in per_axis(padding, ndim, "padding", minimum=0))


def _pair(entry: Any) -> Pair:
    if not is_sequence(entry):
        n = integer(entry, "padding", minimum=0)
        return n, n
    if len(entry) != 2:
        raise ValueError(f"padding must have (before, after) pairs, got {entry!r}")
    return integer(entry[0], "padding", minimum=0), integer(entry[1], "padding", minimum=0)


def _named_padding(padding: str, size: int, taps: int, stride: int, dilation: int) -> Pair:
    reach = dilation * (taps - 1)
    if padding == "valid":
        return 0, 0
    if padding == "full":
        return reach, reach
    if padding == "causal":
        return reach, 0
    total = max((-(-size // stride) - 1) * stride + reach + 1 - size, 0)
    small, large = total // 2, total - total // 2
    return (small, large) if padding == "same" else (large, small)


def padding_modes(padding_mode: Any, ndim: int) -> tuple[PaddingMode, ...]:
    """Return the padding mode of each spatial axis."""
    if isinstance(padding_mode, str):
        return (_padding_mode(padding_mode),) * ndim
    if is_sequence(padding_mode) and len(padding_mode) == ndim:
        return tuple(_padding_mode(name) for name in padding_mode)
    raise (ValueError if is_sequence(padding_mode) else TypeError)(
        f"padding_mode must be a name or one per spatial axis ({ndim}), got {padding_mode!r}"
    )


def _padding_mode(name: Any) -> PaddingMode:
    mode = BY_NAME.get(name) if isinstance(name, str) else None
    if mode is None:
        raise ValueError(f"padding_mode must be one of {', '.join(BY_NAME)}; got {name!r}")
    return mode


def one_of(value: Any, name: str, allowed: Sequence[str | None]) -> Any:
    """Return an argument that must be one of a few names."""
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(map(str, allowed))}; got {value!r}")
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}; got {value!r}")
    return value


def axes_of(axes: Any, ndim: int, count: int) -> tuple[int, ...]:
    """Return the axes of x, as non-negative ints, that a kernel slides along: `axes`, or the last `count`."""
    if axes is None:
        return tuple(range(ndim - count, ndim))
    numbers = tuple(integer(a, "axes") for a in axes) if is_sequence(axes) else (integer(axes, "axes"),)
    if not numbers:
        raise ValueError(f"axes must name at least one axis, got {axes!r}")
    for number in numbers:
        if not -ndim <= number < ndim:
            raise ValueError(f"axes must lie in -{ndim}..{ndim - 1}, got {axes!r}")
    numbers = tuple(number % ndim for number in numbers)
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"axes must not repeat, got {axes!r}")
    return numbers


def lag_ranges(lags: Any, ndim: int) -> tuple[Pair, ...]:
    """Return the first and last lag along each axis."""
    if not is_sequence(lags):
        raise TypeError(f"lags must be a (first, last) pair or one per axis, got {lags!r}")
    if len(lags) == 2 and not any(is_sequence(entry) for entry in lags):
        lags = (lags,) * ndim
    if len(lags) != ndim or any(not is_sequence(entry) or len(entry) != 2 for entry in lags):
        raise ValueError(f"lags must be a (first, last) pair or one per axis ({ndim}), got {lags!r}")
    pairs = tuple((integer(first, "lags"), integer(last, "lags")) for first, last in lags)
    for first, last in pairs:
        if last < first:
            raise ValueError(f"lags must not end before they begin, got {(first, last)!r}")
    return pairs


def channel_axis_of(channel_axis: Any) -> Literal[-1] | None:
    """Return where the channels stand: None (before the spatial axes) or -1."""
    if channel_axis is not None and integer(channel_axis, "channel_axis") != -1:
        raise ValueError(f"channel_axis must be None (channels first) or -1, got {channel_axis!r}")
    return None if channel_axis is None else -1


def frozen(value: T) -> T:
    """Return an argument that nobody else can change."""
    return cast(T, tuple(map(frozen, value))) if isinstance(value, (list, tuple, np.ndarray)) else value
