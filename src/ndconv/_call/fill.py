"""The fill value: what stands outside x under the padding mode "zeros"."""

from typing import Any

import numpy as np


def checked_fill_value(fill_value: Any, dtype: np.dtype[Any]) -> complex:
    """Return the value of samples outside x, checked against the result's dtype."""
    value = np.asarray(fill_value)
    if isinstance(fill_value, int) and value.dtype.kind == "O":
        raise ValueError(f"fill_value must fit in 64 bits, got {fill_value!r}")
    if value.ndim or value.dtype.kind not in "biufc":
        raise TypeError(f"fill_value must be a number, got {fill_value!r}")
    if dtype.kind in "iu":
        # Exactly: a large integer is more than a float can hold.
        if value.dtype.kind == "c" or (value.dtype.kind == "f" and not float(fill_value).is_integer()):
            raise ValueError(f"fill_value must be an integer for a result of dtype {dtype}, got {fill_value!r}")
        limits = np.iinfo(dtype)
        if not limits.min <= int(fill_value) <= limits.max:
            raise ValueError(
                f"fill_value must lie in {limits.min}..{limits.max} for a result of dtype {dtype}, got {fill_value!r}"
            )
        return int(fill_value)
    number = complex(fill_value)
    if number.imag and dtype.kind != "c":
        raise ValueError(f"fill_value must be real for a result of dtype {dtype}, got {fill_value!r}")
    if number and dtype.char in "efF":  # rounded as a sample of x is
        with np.errstate(all="ignore"):
            number = complex(np.asarray(number if dtype.kind == "c" else number.real).astype(dtype)[()])
    return number
