"""`graph_conv` and its gradients: against the dense formula, PyTorch, differences, and what holds of every graph."""

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse

import ndconv
from support import oracle
from support.graphs import (
    CONTAINERS,
    NORMALIZATIONS,
    NUMBERS,
    calls,
    dense_matrix,
    expected_dtype,
    random_graph,
    reference,
    rounding,
)
from support.layouts import FLOATS, INTEGERS, values
from support.pairs import paired

ROOT = Path(__file__).resolve().parents[2]


@given(call=calls())
def test_random_calls(call):
    expected = reference(call.x, call.adjacency, call.weight, call.bias, **call.keywords)
    expected.check(ndconv.graph_conv(call.x, call.graph, call.weight, call.bias, **call.keywords))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_containers(rng, container, normalization):
    adjacency = random_graph(rng, 9, directed=True)
    x, weight = values(rng, (9, 4), "float64"), values(rng, (4, 3), "float64")
    graph = CONTAINERS[container](adjacency)
    reference(x, adjacency, weight, None, normalization).check(
        ndconv.graph_conv(x, graph, weight, normalization=normalization)
    )
    np.testing.assert_array_equal(graph.toarray() if sparse.issparse(graph) else graph, adjacency)  # left as it was


@pytest.mark.parametrize(
    ("graph_dtype", "dtype", "others"),
    paired(
        ["bool", "int8", "uint16", "int64", *FLOATS, "complex64", "complex128", ">f4"],
        ["bool", "int8", "int64", *NUMBERS],
        list(itertools.product(NORMALIZATIONS, [2, 6])),
    ),
)
def test_dtypes(rng, graph_dtype, dtype, others):
    normalization, c_out = others
    adjacency = random_graph(rng, 7, graph_dtype, weighted=False, directed=True)
    x, weight, bias = (rng.integers(0, 2, shape).astype(dtype) for shape in ((7, 4), (4, c_out), c_out))
    expected = reference(x, adjacency, weight, bias, normalization)
    expected.check(ndconv.graph_conv(x, adjacency, weight, bias, normalization=normalization))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("c_out", [2, 6])
def test_integers_wrap_around(rng, dtype, c_out):
    adjacency, x = values(rng, (5, 5), dtype), values(rng, (5, 4), dtype)
    weight, bias = values(rng, (4, c_out), dtype), values(rng, c_out, dtype)
    expected = reference(x, adjacency, weight, bias, None)
    expected.check(ndconv.graph_conv(x, adjacency, weight, bias, normalization=None))
    y = ndconv.graph_conv(x, sparse.csc_array(adjacency), weight, bias, normalization=None, activation="relu")
    np.testing.assert_array_equal(y, np.maximum(expected.value, 0))
    assert y.dtype == dtype


@pytest.mark.parametrize("activation", oracle.ACTIVATIONS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("channels", [(3, 8), (8, 3)])
def test_activations_are_those_of_conv_layer(rng, activation, dtype, channels):
    x, weight, bias = (values(rng, shape, dtype) for shape in ((50, channels[0]), channels, channels[1]))
    y = ndconv.graph_conv(
        x, np.eye(50), weight, bias, normalization=None, self_loops=False, activation=activation
    ).astype(dtype)
    expected = ndconv.conv_layer(x, weight.T[..., None], bias, channel_axis=-1, activation=activation)
    np.testing.assert_allclose(y, expected, rtol=8 * np.finfo(dtype).eps, atol=16 * np.finfo(dtype).eps)


def test_activations_of_infinity_raise_no_warning(subtests):
    for activation in oracle.ACTIVATIONS:
        with subtests.test(activation=activation):
            y = ndconv.graph_conv([[np.inf], [-np.inf], [np.nan]], np.zeros((3, 3)), [[1.0]], activation=activation)
            assert np.isnan(y[2])


def test_overflow_of_float16_raises_no_warning():
    big = np.full((2, 1), 6e4, np.float16)
    assert (ndconv.graph_conv(big, np.ones((2, 2), bool), big[:1], normalization="row") == np.inf).all()
    assert (ndconv.graph_conv_backward(big, big, np.ones((2, 2), bool), big[:1]).x == np.inf).all()


def test_formula_of_the_paper():
    """A path of three nodes: with themselves, they have degrees 2, 3 and 2."""
    path = sparse.diags_array([1.0, 1.0], offsets=[-1, 1], shape=(3, 3))
    y = ndconv.graph_conv(np.eye(3), path, np.eye(3))
    root = 1 / math.sqrt(6)
    np.testing.assert_allclose(y, [[1 / 2, root, 0], [root, 1 / 3, root], [0, root, 1 / 2]], rtol=1e-15)


def test_one_is_added_to_a_loop():
    y = ndconv.graph_conv([[1.0], [10]], [[2, 1], [0, 0]], [[1.0]], normalization=None)
    np.testing.assert_array_equal(y, [[13], [10]])


def test_rows_gather():
    """An edge from node 1 to node 0 stands in row 0."""
    y = ndconv.graph_conv([[1.0], [10]], [[0, 1], [0, 0]], [[1.0]], normalization=None, self_loops=False)
    np.testing.assert_array_equal(y, [[10], [0]])


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("empty", [np.zeros((3, 3), bool), sparse.coo_array((3, 3)), sparse.lil_matrix((3, 3))])
def test_isolated_nodes(normalization, empty):
    x = np.array([[1.0], [np.nan], [3]])
    alone = ndconv.graph_conv(x, empty, [[2.0]], [1.0], normalization=normalization, self_loops=False)
    np.testing.assert_array_equal(alone, [[1], [1], [1]])
    np.testing.assert_array_equal(ndconv.graph_conv(x, empty, [[2.0]], normalization=normalization), 2 * x)


def test_weights_that_cancel():
    """Edges of 1 and -1 make a degree of 0, which gathers nothing."""
    y = ndconv.graph_conv([[1.0], [2]], [[1, -1], [0, 1]], [[1.0]], normalization="row", self_loops=False)
    np.testing.assert_array_equal(y, [[0], [2]])


def test_duplicate_entries_are_summed():
    graph = sparse.coo_array(([1.0, 2.0, 4.0], ([0, 0, 1], [1, 1, 0])), shape=(2, 2))
    unsorted = sparse.csr_array(([1.0, 2.0, 4.0], [1, 1, 0], [0, 2, 3]), shape=(2, 2))
    for a in (graph, unsorted):
        y = ndconv.graph_conv(np.eye(2), a, np.eye(2), normalization=None, self_loops=False)
        np.testing.assert_array_equal(y, [[0, 3], [4, 0]])
    assert unsorted.nnz == 3


@given(seed=st.integers(0, 2**32 - 1), normalization=st.sampled_from(NORMALIZATIONS), directed=st.booleans())
def test_permuting_the_nodes_permutes_the_result(seed, normalization, directed):
    rng = np.random.default_rng(seed)
    adjacency = random_graph(rng, 10, directed=directed)
    x, weight, bias = (values(rng, shape, "float64") for shape in ((10, 3), (3, 4), 4))
    order = rng.permutation(10)
    y = ndconv.graph_conv(x, sparse.csr_array(adjacency), weight, bias, normalization=normalization)
    shuffled = ndconv.graph_conv(
        x[order], sparse.csr_array(adjacency[np.ix_(order, order)]), weight, bias, normalization=normalization
    )
    np.testing.assert_allclose(shuffled, y[order], rtol=1e-12, atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1), nodes=st.integers(1, 12), self_loops=st.booleans())
def test_symmetric_normalization_of_directed_graphs(seed, nodes, self_loops):
    """The norm is at most 1, and turning the edges round transposes the matrix."""
    adjacency = random_graph(np.random.default_rng(seed), nodes, directed=True)
    eye = np.eye(nodes)
    matrix = ndconv.graph_conv(eye, adjacency, eye, self_loops=self_loops)
    assert np.linalg.norm(matrix, 2) <= 1 + 1e-12
    np.testing.assert_allclose(ndconv.graph_conv(eye, adjacency.T, eye, self_loops=self_loops), matrix.T, rtol=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("c_out", [2, 6])
def test_what_is_not_finite_goes_along_edges_alone(rng, bad, c_out):
    adjacency = random_graph(rng, 20, directed=True, density=0.1)
    x, weight = values(rng, (20, 4), "float64"), values(rng, (4, c_out), "float64")
    x[7, 2] = bad
    y = ndconv.graph_conv(x, adjacency, weight)
    reached = (adjacency + np.eye(20))[:, 7] != 0
    np.testing.assert_array_equal(~np.isfinite(y).all(axis=1), reached)


@pytest.mark.parametrize("container", [name for name in CONTAINERS if "_" in name])
@pytest.mark.parametrize("self_loops", [True, False])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("c_out", [2, 6])
def test_a_stored_zero_is_no_edge(rng, subtests, container, self_loops, normalization, c_out):
    """Nor are edges that add up to zero, among them a loop of -1; nor those of a node of degree 0."""
    rows, columns = [0, 1, 1, 1, 2, 2, 3, 4, 4], [1, 0, 2, 2, 2, 0, 3, 5, 0]
    edges = np.array([0.0, 2.0, 3.0, -3.0, -1.0, 4.0, 0.0, 1.0, -1.0])
    graph = sparse.coo_array((edges, (rows, columns)), shape=(7, 7))
    if container.startswith("csr"):  # SciPy's conversions to most formats sum or drop some of them
        pointers = np.searchsorted(rows, range(8))
        graph = getattr(sparse, container)((edges, np.array(columns), pointers), shape=(7, 7))
    elif not container.startswith("coo"):
        graph = getattr(sparse, container)(graph)
    if normalization == "symmetric":
        graph = abs(graph)  # whose degrees are not negative
        graph = getattr(sparse, container)(graph)
    dense, stored = graph.toarray(), graph.nnz
    x, weight = values(rng, (7, 4), "float64"), values(rng, (4, c_out), "float64")
    grad_y = values(rng, (7, c_out), "float64")
    keywords = {"normalization": normalization, "self_loops": self_loops}
    matrix = dense_matrix(dense, normalization, self_loops)
    for node in range(7):
        for bad in (np.nan, np.inf):
            with subtests.test(node=node, bad=bad):
                spoilt, spoilt_grad = x.copy(), grad_y.copy()
                spoilt[node], spoilt_grad[node] = bad, bad
                y = ndconv.graph_conv(spoilt, graph, weight, **keywords)
                np.testing.assert_array_equal(~np.isfinite(y).any(axis=1), matrix[:, node] != 0)
                by_x = ndconv.graph_conv_backward(spoilt_grad, x, graph, weight, **keywords).x
                np.testing.assert_array_equal(~np.isfinite(by_x).any(axis=1), matrix[node] != 0)
    np.testing.assert_array_equal(graph.toarray(), dense)
    assert graph.nnz == stored


@pytest.mark.parametrize("channels", [(8, 32), (32, 8)])
def test_the_same_bits_for_every_number_of_workers(rng, subtests, channels):
    graph = sparse.coo_array((rng.random(9000), rng.integers(0, 3000, (2, 9000))), shape=(3000, 3000))
    x, weight = values(rng, (3000, channels[0]), "float32"), values(rng, channels, "float32")
    grad_y = values(rng, (3000, channels[1]), "float32")
    first = [ndconv.graph_conv(x, graph, weight, workers=1)]
    first += ndconv.graph_conv_backward(grad_y, x, graph, weight, workers=1)
    for workers in (2, 3, None):
        with subtests.test(workers=workers):
            again = [ndconv.graph_conv(x, graph, weight, workers=workers)]
            again += ndconv.graph_conv_backward(grad_y, x, graph, weight, workers=workers)
            for one, other in zip(first, again, strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("nodes", "c_in", "c_out"), [(0, 2, 3), (0, 3, 2), (4, 0, 3), (4, 3, 0), (0, 0, 0)])
def test_nothing(nodes, c_in, c_out):
    x, graph, weight = np.ones((nodes, c_in)), np.eye(nodes), np.ones((c_in, c_out))
    y = ndconv.graph_conv(x, graph, weight, np.ones(c_out), activation="relu")
    np.testing.assert_array_equal(y, np.full((nodes, c_out), 1.0 + c_in))
    gradients = ndconv.graph_conv_backward(y, x, graph, weight)
    assert [g.shape for g in gradients] == [(nodes, c_in), (c_in, c_out), (c_out,)]
    assert not gradients.bias.any() or nodes


# ------------------------------------------------------------------------------------------------------------ gradients


def inner(a, b):
    """Return the real inner product, by which gradients are defined."""
    return float(np.vdot(a, b).real)


@given(call=calls())
def test_gradients_are_adjoint(call):
    """<layer(x), g> = <x, gradient(g)> for x, for the weights and for the bias, each of which y is linear in."""
    dtype = expected_dtype([call.x, call.weight], call.adjacency, call.keywords["normalization"])
    assume(dtype in ("float32", "float64", "complex64", "complex128"))
    rng = np.random.default_rng(0)
    grad_y = values(rng, (len(call.x), call.weight.shape[1]), dtype)
    y = ndconv.graph_conv(call.x, call.graph, call.weight, **call.keywords)
    gradients = ndconv.graph_conv_backward(grad_y, call.x, call.graph, call.weight, **call.keywords)
    magnitudes = (np.abs(a).astype(np.float64) for a in (call.x, call.weight, grad_y))
    matrix = np.abs(dense_matrix(call.adjacency, **call.keywords)).astype(np.float64)
    x, weight, g = magnitudes
    tolerance = 40 * rounding(dtype) * max(float((g * (matrix @ x @ weight)).sum()), 1e-30)
    wide = np.complex128
    for operand, gradient in ((call.x, gradients.x), (call.weight, gradients.weight)):
        assert gradient.shape == operand.shape
        assert (gradient.dtype.kind == "c") == (operand.dtype.kind == "c")
        assert abs(inner(y.astype(wide), grad_y) - inner(operand.astype(wide), gradient)) <= tolerance
    np.testing.assert_allclose(gradients.bias, grad_y.astype(wide).sum(axis=0), rtol=1e-3, atol=1e-4)
    assert gradients.bias.dtype == grad_y.dtype


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "complex64"])
@pytest.mark.parametrize("operands", ["float32", "complex128"])
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_the_gradient_to_the_bias_is_that_of_conv_layer(rng, dtype, operands, normalization):
    x, weight, grad_y = values(rng, (5, 2), operands), values(rng, (2, 3), operands), values(rng, (5, 3), dtype)
    found = ndconv.graph_conv_backward(grad_y, x, np.eye(5), weight, normalization=normalization).bias
    expected = ndconv.conv_layer_backward(grad_y, x, weight.T[..., None], needs="bias", channel_axis=-1).bias
    assert found.dtype == expected.dtype == dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("self_loops", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients_are_differences(rng, normalization, self_loops, dtype):
    """Central differences of L = sum |y|^2 / 2, whose gradient with respect to y is y; a square has no error."""
    adjacency = sparse.csr_array(random_graph(rng, 6, directed=True))
    keywords = {"normalization": normalization, "self_loops": self_loops}
    operands = {name: values(rng, shape, dtype) for name, shape in (("x", (6, 3)), ("weight", (3, 2)), ("bias", 2))}

    def loss():
        y = ndconv.graph_conv(operands["x"], adjacency, operands["weight"], operands["bias"], **keywords)
        return (np.abs(y) ** 2).sum() / 2

    y = ndconv.graph_conv(operands["x"], adjacency, operands["weight"], operands["bias"], **keywords)
    gradients = ndconv.graph_conv_backward(y, operands["x"], adjacency, operands["weight"], **keywords)
    for name, gradient in gradients._asdict().items():
        operand = operands[name]
        for at in np.ndindex(operand.shape):
            difference = 0
            for direction in (1, 1j) if dtype == "complex128" else (1,):
                kept, step = operand[at], 1e-3 * direction
                operand[at] = kept + step
                above = loss()
                operand[at] = kept - step
                difference += direction * (above - loss()) / 2e-3
                operand[at] = kept
            np.testing.assert_allclose(gradient[at], difference, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("self_loops", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("channels", [(3, 5), (5, 3)])
def test_agrees_with_pytorch(rng, torch, normalization, self_loops, dtype, channels):
    adjacency = random_graph(rng, 11, directed=True, weighted=True).astype(dtype)
    arrays = [values(rng, shape, dtype) for shape in ((11, channels[0]), channels, channels[1])]
    grad_y = values(rng, (11, channels[1]), dtype)
    x, weight, bias = (torch.from_numpy(a).requires_grad_() for a in arrays)
    a = torch.from_numpy(adjacency)
    if self_loops:
        a = a + torch.eye(11, dtype=a.dtype)
    if normalization == "row":
        a = a / torch.where((rows := a.sum(1, keepdim=True)) == 0, 1, rows)
    elif normalization == "symmetric":
        rows, columns = a.sum(1, keepdim=True).sqrt(), a.sum(0, keepdim=True).sqrt()
        a = a / torch.where(rows == 0, 1, rows) / torch.where(columns == 0, 1, columns)
    theirs = a @ x @ weight + bias
    theirs.backward(torch.from_numpy(grad_y))
    keywords = {"normalization": normalization, "self_loops": self_loops}
    graph = sparse.coo_array(adjacency)
    close = {"rtol": 200 * np.finfo(dtype).eps, "atol": 200 * np.finfo(dtype).eps}
    ours = ndconv.graph_conv(arrays[0], graph, arrays[1], arrays[2], **keywords)
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, theirs.detach().numpy(), **close)
    gradients = ndconv.graph_conv_backward(grad_y, arrays[0], graph, arrays[1], **keywords)
    for gradient, tensor in zip(gradients, (x, weight, bias), strict=True):
        assert gradient.dtype == dtype
        np.testing.assert_allclose(gradient, tensor.grad.resolve_conj().numpy(), **close)


def test_gradients_through_a_complex_graph(rng):
    adjacency, x = values(rng, (5, 5), "complex128"), values(rng, (5, 3), "float64")
    weight, grad_y = values(rng, (3, 2), "float64"), values(rng, (5, 2), "complex128")
    y = ndconv.graph_conv(x, adjacency, weight, normalization=None)
    np.testing.assert_allclose(y, (adjacency + np.eye(5)) @ x @ weight, rtol=1e-13)
    gradients = ndconv.graph_conv_backward(grad_y, x, adjacency, weight, normalization=None)
    assert gradients.x.dtype == gradients.weight.dtype == np.float64
    assert inner(y, grad_y) == pytest.approx(inner(x, gradients.x)) == pytest.approx(inner(weight, gradients.weight))


@pytest.mark.parametrize(
    ("needs", "given"),
    [
        ("x", {"x"}),
        ("weight", {"weight"}),
        ("bias", {"bias"}),
        (("x", "bias"), {"x", "bias"}),
        ({"weight", "x"}, {"weight", "x"}),
        (iter(["bias", "weight"]), {"bias", "weight"}),
        ((), set()),
    ],
    ids=["x", "weight", "bias", "tuple", "set", "iterator", "nothing"],
)
def test_needs(needs, given):
    operands = np.ones((3, 2)), np.ones((3, 4)), np.eye(3), np.ones((4, 2))
    gradients = ndconv.graph_conv_backward(*operands, needs=needs)
    everything = ndconv.graph_conv_backward(*operands)
    assert isinstance(gradients, ndconv.ConvGradients)
    assert {name for name, gradient in gradients._asdict().items() if gradient is not None} == given
    for name in given:
        np.testing.assert_array_equal(getattr(gradients, name), getattr(everything, name))


def test_gradients_of_float16(rng):
    x, weight, grad_y = (values(rng, shape, "float16") for shape in ((6, 3), (3, 2), (6, 2)))
    graph = random_graph(rng, 6, "int64")
    narrow = ndconv.graph_conv_backward(grad_y, x, graph, weight)
    exact = ndconv.graph_conv_backward(*(a.astype("float64") for a in (grad_y, x)), graph, weight)
    for ours, expected in zip(narrow, exact, strict=True):
        assert ours.dtype == np.float16
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-5)


# --------------------------------------------------------------------------------------------------------------- errors

RIGHT = {"x": np.ones((4, 3)), "adjacency": np.eye(4), "weight": np.ones((3, 2))}

TABLE = [
    ({"x": np.ones(4)}, ValueError, r"x must have shape \(nodes, C_in\), got \(4,\)"),
    ({"x": np.ones((1, 4, 3))}, ValueError, r"x must .* got \(1, 4, 3\)"),
    ({"x": np.ones((4, 3)).astype(object)}, TypeError, "x must .* dtype, got object"),
    ({"x": None}, TypeError, "x must .* got None"),
    ({"x": [[1.0, 2], [3]]}, ValueError, "x must be an array"),
    ({"weight": np.ones((2, 2))}, ValueError, r"weight must have shape \(3, C_out\), .* \(4, 3\); got \(2, 2\)"),
    ({"weight": np.ones(3)}, ValueError, r"weight must .* got \(3,\)"),
    ({"weight": np.ones((3, 2)).astype(object)}, TypeError, "weight must .* got object"),
    ({"weight": np.ones((3, 2)).astype(str)}, TypeError, "weight must .* got <U"),
    ({"adjacency": np.ones((4, 3))}, ValueError, r"adjacency must have shape \(nodes, nodes\), got \(4, 3\)"),
    ({"adjacency": sparse.csr_array((4, 5))}, ValueError, r"adjacency must .* got \(4, 5\)"),
    ({"adjacency": sparse.coo_array(np.ones(4))}, ValueError, r"adjacency must .* got \(4,\)"),
    ({"adjacency": np.eye(5)}, ValueError, r"adjacency must have shape \(4, 4\), as x has 4 nodes; got \(5, 5\)"),
    ({"adjacency": sparse.eye_array(3)}, ValueError, r"adjacency must have shape \(4, 4\), .* got \(3, 3\)"),
    ({"adjacency": np.eye(4).astype(object)}, TypeError, "adjacency must .* got object"),
    ({"adjacency": sparse.eye_array(4, dtype="longdouble")}, TypeError, "adjacency must .* got float"),
    ({"adjacency": "a graph"}, TypeError, "adjacency must"),
    ({"adjacency": None}, TypeError, "adjacency must"),
    ({"adjacency": -3 * np.eye(4)}, ValueError, "adjacency must have degrees .* not negative .*'symmetric', got -2.0"),
    ({"adjacency": 1j * np.eye(4)}, ValueError, r"adjacency must have degrees that are real .* got \(1\+1j\)"),
    (
        {"adjacency": np.diag([0.0, 0, 1], 1) - np.diag([2.0, 2, 2], -1), "self_loops": False},
        ValueError,
        "adjacency must have degrees .* got -2.0",
    ),
    ({"normalization": "column"}, ValueError, "normalization must be one of symmetric, row, None; got 'column'"),
    ({"normalization": "Row"}, ValueError, "normalization must .* got 'Row'"),
    ({"normalization": True}, TypeError, "normalization must .* got True"),
    ({"workers": 0}, ValueError, "workers must .* got 0"),
    ({"workers": 1.5}, TypeError, "workers must .* got 1.5"),
]

FORWARD_TABLE = [
    ({"bias": np.ones(3)}, ValueError, r"bias must have shape \(2,\), .* got \(3,\)"),
    ({"bias": 1.0}, ValueError, r"bias must .* got \(\)"),
    ({"bias": np.ones(2).astype(object)}, TypeError, "bias must .* got object"),
    ({"activation": "softmax"}, ValueError, "activation must .*relu.* got 'softmax'"),
    ({"activation": 3}, TypeError, "activation must .* got 3"),
    ({"activation": "tanh", "x": 1j * np.ones((4, 3))}, TypeError, "activation 'tanh' needs .* got complex128"),
]

BACKWARD_TABLE = [
    ({"grad_y": np.ones((4, 3))}, ValueError, r"grad_y must have the output's shape \(4, 2\), got \(4, 3\)"),
    ({"grad_y": np.ones(2)}, ValueError, r"grad_y must .* got \(2,\)"),
    ({"grad_y": np.ones((4, 2)).astype(object)}, TypeError, "grad_y must .* got object"),
    ({"needs": "y"}, ValueError, "needs must be one or several of x, weight, bias; got 'y'"),
    ({"needs": ("x", "weights")}, ValueError, r"needs must .* got \('x', 'weights'\)"),
    ({"needs": ["x", ["bias"]]}, ValueError, "needs must .* got"),
    ({"needs": None}, TypeError, "needs must .* got None"),
    ({"needs": 1}, TypeError, "needs must .* got 1"),
]


@pytest.mark.parametrize(("change", "error", "message"), TABLE + FORWARD_TABLE)
def test_errors(change, error, message):
    with pytest.raises(error, match=message):
        ndconv.graph_conv(**{**RIGHT, **change})


@pytest.mark.parametrize(("change", "error", "message"), TABLE + BACKWARD_TABLE)
def test_errors_of_gradients(change, error, message):
    with pytest.raises(error, match=message):
        ndconv.graph_conv_backward(**{**RIGHT, "grad_y": np.ones((4, 2)), **change})


# -------------------------------------------------------------------------------------------------------------- example


@pytest.mark.slow
def test_karate_club():
    pytest.importorskip("networkx")
    pytest.importorskip("matplotlib")
    command = [sys.executable, ROOT / "examples" / "gallery" / "plot_karate_club.py"]
    environment = os.environ | {"MPLBACKEND": "agg"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split("accuracy ")[1].split()[0]) >= 0.9
