"""The answers of what tells shapes and costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import ndconv
from fuzz.calls import Call
from support import oracle


def shape_or_cost(call: Call, arrays: dict) -> list[Any]:
    x, weight = call.facts
    d, k = len(weight) - 2, call.keywords
    stride, dilation = (oracle.per_axis(k[name], d) for name in ("stride", "dilation"))
    positions = oracle.positions(k["padding"], x[-d:], weight[2:], stride, dilation)
    shape = (*x[: len(x) - d - 1], weight[0], *positions)
    if call.function == "output_shape":
        return [shape]
    batch = math.prod(x[: len(x) - d - 1])
    parameters = math.prod(weight) + weight[0] * k["bias"]
    dense = math.prod(x[-d - 1 :]) * weight[0] * math.prod(positions)
    size = (math.prod(x) + parameters + math.prod(shape)) * k["itemsize"]
    return [ndconv.LayerCost(parameters, math.prod(weight) * math.prod(positions) * batch, shape, dense, size)]


def receptive_field(call: Call, arrays: dict) -> list[Any]:
    size, jump, start = 1, 1, 0
    for kernel, stride, dilation, padding in call.facts[0]:
        size, start, jump = size + dilation * (kernel - 1) * jump, start - padding * jump, jump * stride
    return [(size, jump, start)]


def explained(call: Call, arrays: dict) -> list[Any]:
    x = np.zeros(call.facts[0], arrays["weight"].dtype)
    keywords = {name: value for name, value in call.keywords.items() if name != "method"}
    shape = oracle.layer(x, arrays["weight"], **keywords).shape
    return [(shape, shape, 1)]
