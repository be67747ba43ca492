"""Drawn calls of `correlate_nd` and `convolve_nd`."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import numpy as np
from hypothesis import strategies as st

from fuzz.drawers.redrawn import redrawn
from support import strategies


@st.composite
def large_correlations(draw):
    """Draw correlations for which "auto" may take another method than the direct one."""
    d = draw(st.sampled_from((1, 2, 2, 3)))
    taps = tuple(draw(st.integers(1, {1: 300, 2: 20, 3: 7}[d])) for _ in range(d))
    sizes = tuple(draw(st.integers(1, {1: 3000, 2: 90, 3: 20}[d])) + k for k in taps)
    dtype = draw(st.sampled_from(("float32", "float64", "complex128", "int16")))
    keywords = {
        "mode": draw(st.sampled_from(("full", "same", "valid"))),
        "padding_mode": draw(strategies.padding_modes(d)),
        "stride": draw(st.sampled_from((1, 1, 2))),
        "dilation": draw(st.sampled_from((1, 1, 2))),
    }
    sizes = tuple(max(n, 2 * k) for n, k in zip(sizes, taps, strict=True))
    return strategies.Call((np.zeros(sizes, dtype), np.zeros(taps, dtype)), keywords)


@st.composite
def _correlations(draw, name, text="ndconv.{name}(x, kernel{{keywords}}{{more}})"):
    text = text.format(name=name)
    strategy = strategies.correlation_calls(mirrored=name == "convolve_nd") | large_correlations()
    kind = draw(st.sampled_from(("plain", "plain", "plain", "dtype", "normalized", "omit", "raise")))
    names = ("x", "kernel")
    if kind == "omit":  # whose quotients have no promise for other weights than positive ones, and numbers alike
        call = draw(redrawn(name, text, strategy, names, contents=["ones", "ramp", "values"], special=(nan,)))
        kernel = replace(call.operands["kernel"], content="ones", spots=())
        return replace(
            call, operands=call.operands | {"kernel": kernel}, keywords=call.keywords | {"nan_policy": "omit"},
            refusals=("method=", "nan_policy='omit'"),
        )  # fmt: skip
    call = draw(redrawn(name, text, strategy, names, masked=kind == "plain"))
    if kind == "dtype":
        wide = draw(st.sampled_from(("int64", "float32", "float64", "complex128")))
        return replace(call, keywords=call.keywords | {"dtype": wide}, refusals=("method=", "dtype"))
    if kind == "raise":
        return replace(call, keywords=call.keywords | {"nan_policy": "raise"}, refusals=("method=", "nan_policy"))
    if kind == "normalized" and name != "convolve_nd":
        return replace(
            call, keywords=call.keywords | {"normalized": True}, refusals=("method=", "kernel must vary", "real x")
        )
    return call


def correlate_nd():
    return _correlations("correlate_nd")


def correlator():
    return _correlations("Correlator", "ndconv.{name}(kernel{{keywords}})(x{{more}})")


def convolve_nd():
    return _correlations("convolve_nd")
