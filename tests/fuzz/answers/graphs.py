"""The answers of `graph_conv` and of its gradients."""

from __future__ import annotations

import numpy as np

from fuzz.answers.promise import Expected, own, promise, sizes_of
from fuzz.calls import Call
from support import graphs, oracle


def _gathered(matrix, x):
    """Return the matrix product with a graph, in which what is zero is no edge."""
    rows = [(matrix[i, edges, None] * x[edges]).sum(axis=0) for i, edges in enumerate(matrix != 0)]
    return np.array(rows).reshape(len(matrix), x.shape[1])


def graph(call: Call, arrays: dict) -> list[Expected | None]:
    keywords = call.resolved(arrays)
    adjacency = np.asarray(arrays["adjacency"].tolist()) if "tolist" in call.text else arrays["adjacency"]
    matrix = graphs.dense_matrix(adjacency, keywords["normalization"], keywords["self_loops"])
    backward = call.function.endswith("backward")
    names = ("grad_y", "x", "weight") if backward else ("x", "weight", "bias")
    given = {name: arrays[name] for name in names if name in arrays}
    dtype = graphs.expected_dtype(list(given.values()), adjacency, keywords["normalization"])
    if dtype.kind in "iu":
        a = adjacency.astype(dtype).astype(np.uint64) + np.eye(len(adjacency), dtype=np.uint64) * keywords["self_loops"]
        terms = {name: array.astype(dtype).astype(np.uint64) for name, array in given.items()}
        with np.errstate(all="ignore"):
            values = _graph_values(a, terms, backward)
        found = [Expected(v.astype(dtype), dtype, None) for v in values]
    else:
        wide = np.clongdouble if dtype.kind == "c" else np.longdouble
        with np.errstate(all="ignore"):
            values = _graph_values(matrix, {n: a.astype(wide) for n, a in given.items()}, backward)
            sizes = _graph_values(
                np.abs(matrix), {n: sizes_of(a, dtype).astype(np.longdouble) for n, a in given.items()}, backward
            )
        count = 4 * (len(matrix) + max(given["weight"].shape) + 8)
        primal = ("x", "weight", "grad_y") if backward else ("x",)
        found = []
        for value, size, name in zip(values, sizes, primal, strict=True):
            kind = own(dtype, arrays[name]) if backward and name != "grad_y" else dtype
            found.append(promise(value.real if kind.kind == "f" else value, size, count, kind, "direct", ()))
    if not backward:
        return found
    # That of the bias adds up grad_y, in its own type.
    grad_y, kind = arrays["grad_y"], oracle.result_dtype(arrays["grad_y"])
    wide = kind if kind.kind in "iu" else np.clongdouble if kind.kind == "c" else np.longdouble
    with np.errstate(all="ignore"):
        sums = grad_y.astype(wide).sum(axis=0, dtype=wide)
        sizes = sums if kind.kind in "iu" else sizes_of(grad_y, kind).astype(np.longdouble).sum(axis=0)
    found[2] = promise(sums, sizes, 4 * (len(grad_y) + 8), kind, "direct", ())
    needs = keywords["needs"]
    needs = {needs} if isinstance(needs, str) else set(needs)
    return [each if name in needs else None for name, each in zip(("x", "weight", "bias"), found, strict=True)]


def _graph_values(matrix, terms, backward):
    if backward:
        sent = _gathered(matrix.conj().T, terms["grad_y"])
        return sent @ terms["weight"].conj().T, terms["x"].conj().T @ sent, terms["grad_y"].sum(axis=0)
    product = _gathered(matrix, terms["x"]) @ terms["weight"]
    return (product + terms["bias"] if "bias" in terms else product,)
