"""Calls that NaN and infinity are put into, and the outputs that those must reach."""

from support import oracle
from support.layouts import values


def special_call(rng, x_shape, weight_shape, keywords, dtype):
    """Return x, weights without zeros, which would hide what they meet, and the keywords of a call."""
    keywords = dict(keywords)
    x, weight = values(rng, x_shape, dtype), values(rng, weight_shape, dtype)
    weight[weight == 0] = 1
    if keywords.pop("bias", False):
        keywords["bias"] = values(rng, weight_shape[0], dtype)
    return x, weight, keywords


def reached(mask, weight, keywords):
    """Return which outputs have a sample of the mask in their receptive field."""
    geometry = {k: v for k, v in keywords.items() if k not in ("bias", "activation", "method")}
    return oracle.touched(mask, weight.shape, **geometry)
