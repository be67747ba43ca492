"""Drawn arguments of the filters of `scipy.ndimage`."""

import inspect

import scipy.ndimage
from hypothesis import strategies as st

from ndconv import ndimage
from support.dropins import arrays

MODES = ["reflect", "constant", "nearest", "mirror", "wrap", "grid-mirror", "grid-constant", "grid-wrap"]
#: The parameter of a derivative, of filters that take one.
DERIVATIVES = {"generic_laplace": "derivative2", "generic_gradient_magnitude": "derivative"}
SIGMAS = st.sampled_from([0, 0.3, 1, 2.2])


def derivative(input, axis, output, mode, cval, weights=(1, -2, 1)):
    """Return what such a filter takes."""
    return scipy.ndimage.correlate1d(input, weights, axis, output, mode, cval)


def origins(taps):
    return st.integers(-(taps // 2), (taps - 1) // 2)


def symmetric(weights, sign):
    return weights if sign is None else weights + sign * weights[::-1]


@st.composite
def keywords_of(draw, name, ndim):
    """Return the arguments of a drop-in that come after the input."""
    modes = st.lists(st.sampled_from(MODES), min_size=ndim, max_size=ndim) | st.sampled_from(MODES)
    how = {"cval": draw(st.sampled_from([0, 0, 1.5, -2]))}
    if name in ("correlate", "convolve"):
        axes = draw(st.none() | st.permutations(range(ndim)).flatmap(lambda a: st.sampled_from([a, a[:1]])))
        shape = draw(st.tuples(*[st.integers(1, 4)] * (ndim if axes is None else len(axes))))
        how |= {"weights": draw(arrays(draw(st.sampled_from("dlfD")), shape)), "axes": axes}
        if axes is None or axes == list(range(ndim)):
            how["origin"] = draw(st.tuples(*map(origins, shape)))
        return how | {"mode": draw(st.sampled_from(MODES))}
    if name in ("correlate1d", "convolve1d"):
        weights = draw(arrays(draw(st.sampled_from("dlfD")), draw(st.integers(1, 7))))
        weights = symmetric(weights, draw(st.sampled_from([None, 1, -1])))
        how |= {"weights": weights, "origin": draw(origins(len(weights)))}
    elif name == "uniform_filter1d":
        how["size"] = draw(st.integers(1, 9) | st.just(300))
        how["origin"] = draw(origins(how["size"]))
    elif name == "uniform_filter":
        how["size"] = draw(st.tuples(*[st.integers(1, 5)] * ndim))
        how["origin"] = draw(st.tuples(*map(origins, how["size"])))
    elif name == "gaussian_filter1d":
        how |= {"sigma": draw(st.sampled_from([0.3, 1, 2.2])), "order": draw(st.integers(0, 3))}
    elif name in DERIVATIVES:
        how[DERIVATIVES[name]] = derivative
        how["axes"] = draw(st.none() | st.permutations(range(ndim)))
        how["extra_arguments"] = draw(st.sampled_from([(), ((0.5, 0, -0.5),)]))
    elif name.startswith("gaussian"):
        how["sigma"] = draw(st.tuples(*[SIGMAS] * ndim))
        if name == "gaussian_filter":
            how["order"] = draw(st.tuples(*[st.integers(0, 2)] * ndim))
            how["radius"] = draw(st.none() | st.integers(0, 4))
    if "axis" in inspect.signature(getattr(ndimage, name)).parameters:
        how["axis"] = draw(st.integers(-ndim, ndim - 1))
    return how | {"mode": draw(st.sampled_from(MODES) if name.endswith("1d") else modes)}
