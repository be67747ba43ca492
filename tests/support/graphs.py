"""Graphs, what a layer of them must return, and drawn calls of `graph_conv`."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st
from scipy import sparse

from support import oracle
from support.layouts import FLOATS, LAYOUTS, values

FORMATS = ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
CONTAINERS = {
    "dense": np.asarray,
    "list": np.ndarray.tolist,
    **{f"{name}_{kind}": getattr(sparse, f"{name}_{kind}") for name in FORMATS for kind in ("array", "matrix")},
}
NORMALIZATIONS = ("symmetric", "row", None)
NUMBERS = (*FLOATS, "complex64", "complex128")


def random_graph(rng, nodes, dtype="float64", *, directed=False, weighted=True, density=0.4):
    """Return a dense adjacency matrix: not negative, some nodes alone, some loops."""
    weights = rng.integers(1, 5, (nodes, nodes)) if weighted else np.ones((nodes, nodes))
    edges = np.where(rng.random((nodes, nodes)) < density, weights, 0)
    alone = rng.random(nodes) < 0.2
    edges[alone], edges[:, alone] = 0, 0
    return (edges if directed else np.maximum(edges, edges.T)).astype(dtype)


def dense_matrix(adjacency, normalization, self_loops):
    """Return the matrix that a layer multiplies by, entry by entry."""
    a = np.array(adjacency, np.clongdouble if adjacency.dtype.kind == "c" else np.longdouble)
    nodes = len(a)
    if self_loops:
        a += np.eye(nodes)
    result = np.zeros_like(a)
    for i in range(nodes):
        for j in range(nodes):
            divisor = 1
            if normalization == "row":
                divisor = a[i, :].sum()
            elif normalization == "symmetric":
                divisor = np.sqrt(a[i, :].sum()) * np.sqrt(a[:, j].sum())
            result[i, j] = a[i, j] / divisor if divisor else 0
    return result


def expected_dtype(arrays, adjacency, normalization):
    dtypes = [a.dtype for a in arrays]
    if normalization is not None and adjacency.dtype.kind in "biu":
        dtype = np.result_type(*dtypes)
        return dtype if dtype.kind in "fc" else np.dtype(np.float64)
    dtype = np.result_type(*dtypes, adjacency.dtype)
    return np.dtype(np.int8) if dtype.kind == "b" else dtype


def rounding(dtype):
    return np.finfo("float32" if dtype == "float16" else dtype).eps


def reference(x, adjacency, weight, bias=None, normalization="symmetric", self_loops=True):
    """Return the exact answer, and how far plain sums in the dtype of the result may be from it."""
    dtype = expected_dtype([a for a in (x, weight, bias) if a is not None], adjacency, normalization)
    if dtype.kind in "iu":
        matrix, *factors = (a.astype(dtype).astype(np.uint64) for a in (adjacency, x, weight))
        value = (matrix + np.eye(len(x), dtype=np.uint64) * self_loops) @ factors[0] @ factors[1]
        value += 0 if bias is None else bias.astype(dtype).astype(np.uint64)
        return oracle.Reference(value.astype(dtype), dtype, None)
    matrix = dense_matrix(adjacency, normalization, self_loops)
    wide = np.clongdouble if dtype.kind == "c" else np.longdouble
    terms = [matrix, x.astype(wide), weight.astype(wide), np.zeros(1, wide) if bias is None else bias.astype(wide)]
    value, magnitude = (a @ b @ c + d for a, b, c, d in (terms, [np.abs(t) for t in terms]))
    roundings = len(x) + len(weight) + 8
    bound = (4 if dtype.kind == "c" else 1) * roundings * rounding(dtype) * magnitude
    if dtype == "float16":
        bound = bound + np.finfo(dtype).eps / 2 * np.abs(value) + np.finfo(dtype).smallest_subnormal
    return oracle.Reference(value, dtype, np.asarray(bound, np.longdouble))


@dataclass(frozen=True)
class Call:
    x: np.ndarray
    adjacency: np.ndarray
    weight: np.ndarray
    bias: np.ndarray | None
    container: str
    keywords: dict = field(default_factory=dict)

    @property
    def graph(self):
        return CONTAINERS[self.container](self.adjacency)


@st.composite
def calls(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    nodes, c_in, c_out = draw(st.integers(1, 12)), draw(st.integers(1, 6)), draw(st.integers(1, 6))
    container = draw(st.sampled_from(list(CONTAINERS)))
    # A list has the dtype that NumPy gives it, and SciPy's sparse arrays know no float16.
    of_graph = {"list": ("int64", "float64"), "dense": (*FLOATS, "int8", "uint64", "bool")}
    adjacency = random_graph(
        rng, nodes, draw(st.sampled_from(of_graph.get(container, ("float32", "float64", "int8", "uint64", "bool")))),
        directed=draw(st.booleans()), weighted=draw(st.booleans()), density=draw(st.sampled_from((0.1, 0.5, 1.0))),
    )  # fmt: skip
    arrays = [
        LAYOUTS[draw(st.sampled_from(list(LAYOUTS)))](values(rng, shape, draw(st.sampled_from((*NUMBERS, "int16")))))
        for shape in ((nodes, c_in), (c_in, c_out), (c_out,))
    ]
    if draw(st.booleans()):
        arrays[2] = None
    keywords = {"normalization": draw(st.sampled_from(NORMALIZATIONS)), "self_loops": draw(st.booleans())}
    return Call(arrays[0], adjacency, arrays[1], arrays[2], container, keywords)
