"""The graph convolution layer: `graph_conv` and its gradients, `graph_conv_backward`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike

from .._call.activations import ACTIVATIONS, check_activation
from .._call.arguments import flag, one_of
from .._call.dtypes import Array, check_dtype, unmasked_array
from .._gradients.layer import bias_gradient
from .._gradients.result import ConvGradients, checked_needs
from .._methods.epilogue import activate
from .._runtime.workers import checked_workers
from .conv_layer import conv_layer

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NORMALIZATIONS = ("symmetric", "row", None)


class Sparse(Protocol):
    """Any of SciPy's sparse arrays and matrices."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[np.generic]: ...
    def tocsr(self) -> object: ...


def _as_graph(adjacency: ArrayLike | Sparse) -> tuple[csr_array, np.dtype[np.generic]]:
    """Return an adjacency matrix by rows, and its dtype, which it may not have itself: SciPy knows no float16."""
    from scipy import sparse

    is_sparse = sparse.issparse(adjacency)
    matrix = cast("Sparse", adjacency) if is_sparse else unmasked_array(adjacency, "adjacency")
    dtype = matrix.dtype
    check_dtype(dtype, "adjacency")
    if len(matrix.shape) != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"adjacency must have shape (nodes, nodes), got {matrix.shape}")
    if isinstance(matrix, np.ndarray):
        matrix = matrix.astype(np.float32 if dtype.char == "e" else dtype.newbyteorder("="), copy=False)
    return sparse.csr_array(matrix), dtype


def _check_shapes(x: Array, graph: csr_array, weight: Array) -> None:
    """Raise where nodes or channels do not fit together."""
    if x.ndim != 2:
        raise ValueError(f"x must have shape (nodes, C_in), got {x.shape}")
    if graph.shape[0] != x.shape[0]:
        raise ValueError(f"adjacency must have shape {2 * x.shape[:1]}, as x has {x.shape[0]} nodes; got {graph.shape}")
    if weight.ndim != 2 or weight.shape[0] != x.shape[1]:
        raise ValueError(f"weight must have shape ({x.shape[1]}, C_out), as x has shape {x.shape}; got {weight.shape}")


def _result_dtype(
    arrays: Iterable[Array], graph_dtype: np.dtype[np.generic], normalization: str | None
) -> tuple[np.dtype[np.generic], np.dtype[np.generic]]:
    """Return the dtype of a result, and that in which it is computed."""
    dtypes = [a.dtype for a in arrays]
    if normalization is None or graph_dtype.kind in "fc":  # normalised, integers are floats of whichever precision
        dtypes.append(graph_dtype)
    dtype = np.result_type(*dtypes).newbyteorder("=")
    if dtype.kind in "biu" and normalization is not None:
        dtype = np.dtype(np.float64)
    elif dtype.kind == "b":
        dtype = np.dtype(np.int8)
    return dtype, np.dtype(np.float32) if dtype.char == "e" else dtype


def _inverse(degrees: Array) -> Array:
    """Return 1 / degrees, and 0 for nodes of degree 0: nothing reaches them."""
    return np.divide(1, degrees, out=np.zeros_like(degrees), where=degrees != 0)


def _square_root(degrees: Array) -> Array:
    wrong = degrees[(degrees.real < 0) | (degrees.imag != 0)]
    if wrong.size:
        raise ValueError(
            "adjacency must have degrees that are real and not negative under normalization='symmetric', "
            f"got {wrong[0]}"
        )
    return np.asarray(np.sqrt(degrees.real))


def _normalized(
    graph: csr_array, normalization: str | None, self_loops: bool, dtype: np.dtype[np.generic]
) -> csr_array:
    """Return the adjacency matrix that a layer multiplies by, with its edges alone."""
    from scipy import sparse

    # Degrees are sums over many edges: in float64 at least, whatever the rest is computed in.
    wide = dtype if normalization is None else np.result_type(graph.dtype, np.float64)
    nodes = graph.shape[0]
    graph = graph.astype(wide)  # a copy
    if self_loops:
        graph = graph + sparse.eye_array(nodes, dtype=wide, format="csr")
    if normalization is not None:
        gathered, sent = graph @ np.ones(nodes), graph.T @ np.ones(nodes)
        if normalization == "symmetric":
            left, right = _inverse(_square_root(gathered)), _inverse(_square_root(sent))
        else:
            left, right = _inverse(gathered), np.ones(nodes)
        graph.data *= np.repeat(left, np.diff(graph.indptr)) * right[graph.indices]
    # What is zero is no edge: NaN and infinity must not come along it.
    graph.sum_duplicates()
    graph.eliminate_zeros()
    return graph.astype(dtype, copy=False)


def _product(a: Array, b: Array, workers: int | None) -> Array:
    """Return the matrix product a @ b as a 1x1 layer, whose positions are the rows of a."""
    if not len(a):
        return np.empty((0, b.shape[1]), b.dtype)
    return conv_layer(a, b.T[..., np.newaxis], channel_axis=-1, workers=workers)


def graph_conv(
    x: ArrayLike,
    adjacency: ArrayLike | Sparse,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    normalization: str | None = "symmetric",
    self_loops: bool = True,
    activation: str | None = None,
    workers: int | None = None,
) -> Array:
    r"""Graph convolution layer: each node gathers from its neighbours, with the same weights at every node.

    Parameters
    ----------
    x : array_like
        One row of channels per node, shape (nodes, C_in).
    adjacency : sparse array or array_like
        Weights of the edges, shape (nodes, nodes), as any of SciPy's sparse arrays and matrices or dense; what is zero
        is no edge. Node i gathers from the nodes j in its row, so ``adjacency[i, j]`` belongs to the edge from j to i.
    weight : array_like
        Shape (C_in, C_out).
    bias : array_like, optional
        One number per output channel, shape (C_out,).
    normalization : {"symmetric", "row", None}, optional
        "symmetric" divides each edge by the square roots of its row's sum and its column's sum; "row" divides by the
        row's sum, so that each node takes a weighted mean; None leaves the weights as they are.
    self_loops : bool, optional
        Whether each node gathers from itself as well: 1 is added to every entry of the diagonal before normalising,
        also where there is a loop already.
    activation : str, optional
        Applied last: one of those of `conv_layer`.
    workers : int, optional
        Number of threads of the product with `weight`; -1 for all usable CPUs, None for the default (see
        `set_workers`). The result does not depend on it.

    Returns
    -------
    ndarray
        Output of shape (nodes, C_out), of the dtype that NumPy gives the sum of products. An adjacency of integers or
        bools that is normalised has the precision of the others: the result is then float64 only if they are integers
        or float64 themselves. float16 is summed in float32.

    Raises
    ------
    ValueError
        If shapes or values do not fit, or if a degree is negative or complex under "symmetric"; the message names the
        argument.
    TypeError
        If an argument has the wrong type or dtype.

    See Also
    --------
    graph_conv_backward : Gradients of this layer.
    conv_layer : The layer for arrays, whose neighbours stand side by side.

    Notes
    -----
    The layer computes ``activation(A_norm @ x @ weight + bias)``, from whichever side needs fewer products. With the
    defaults it is the layer of [1]_: ``A_norm = D**-0.5 @ (A + I) @ D**-0.5``, where D has the degrees on its diagonal.

    A node of a directed graph has two degrees: what it gathers, its row's sum, and what it sends, its column's sum.
    "symmetric" divides an edge by the square root of what its head gathers and of what its tail sends. So turning all
    edges round transposes ``A_norm``, and as long as no edge is negative its norm is at most 1, however many layers
    follow each other. Where the graph is undirected, both degrees are the same.

    A node of degree 0 gathers 0 and sends 0.

    NaN and infinity reach a node only along its edges.

    References
    ----------
    .. [1] T. N. Kipf and M. Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017.
       :doi:`10.48550/arXiv.1609.02907`

    Examples
    --------
    Three nodes in a row; the middle one has two neighbours. Each takes the mean of itself and its neighbours:

    >>> import numpy as np
    >>> import ndconv
    >>> path = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> x = np.array([[0.0], [6.0], [0.0]])
    >>> ndconv.graph_conv(x, path, [[1.0]], normalization="row")
    array([[3.],
           [2.],
           [3.]])
    """
    x, weight = unmasked_array(x, "x"), unmasked_array(weight, "weight")
    graph, graph_dtype = _as_graph(adjacency)
    _check_shapes(x, graph, weight)
    bias = None if bias is None else unmasked_array(bias, "bias")
    if bias is not None and bias.shape != weight.shape[1:]:
        raise ValueError(f"bias must have shape {weight.shape[1:]}, one entry per output channel; got {bias.shape}")
    one_of(normalization, "normalization", NORMALIZATIONS)
    flag(self_loops, "self_loops")
    one_of(activation, "activation", ACTIVATIONS)
    dtype, working = _result_dtype((x, weight, *(() if bias is None else (bias,))), graph_dtype, normalization)
    check_activation(activation, dtype)
    workers = checked_workers(workers)
    graph = _normalized(graph, normalization, self_loops, working)
    x, weight = (np.require(a, working, "A") for a in (x, weight))
    channels_in, channels_out = weight.shape
    sums = _product(graph @ x, weight, workers) if channels_in <= channels_out else graph @ _product(x, weight, workers)
    with np.errstate(all="ignore"):
        if bias is not None:
            sums += bias.astype(working)
        return activate(sums, activation).astype(dtype, copy=False)


def graph_conv_backward(
    grad_y: ArrayLike,
    x: ArrayLike,
    adjacency: ArrayLike | Sparse,
    weight: ArrayLike,
    *,
    normalization: str | None = "symmetric",
    self_loops: bool = True,
    needs: str | Iterable[str] = ("x", "weight", "bias"),
    workers: int | None = None,
) -> ConvGradients:
    """Gradients of a graph convolution layer with respect to its input, its weights and its bias.

    Parameters
    ----------
    grad_y : array_like
        Gradient of a loss with respect to the output before the activation, shape (nodes, C_out).
    x, adjacency, weight, normalization, self_loops
        As given to `graph_conv`.
    needs : str or iterable of str, optional
        Which gradients to compute: one or several of "x", "weight" and "bias".
    workers : int, optional
        As in `graph_conv`.

    Returns
    -------
    ConvGradients
        The gradients, named x, weight and bias, of the shapes of what they belong to; None where not asked for. Their
        dtype is that of the layer's result, computed from `grad_y` as well; the gradient of a real operand is real. The
        gradient of the bias has the dtype of `grad_y`, whose entries it adds up (of booleans int8).

    Raises
    ------
    ValueError, TypeError
        As `graph_conv` does, and if `grad_y` does not have the output's shape or `needs` has another name in it.

    See Also
    --------
    graph_conv : The layer.

    Notes
    -----
    With ``S = A_norm^H @ grad_y``, gathered along the edges turned round, the gradients are ``S @ weight^H`` of x,
    ``x^H @ S`` of the weights, and the sum of `grad_y` over the nodes of the bias. The gradient of a complex operand z
    is ``dL/d(re z) + 1j * dL/d(im z)``, as in PyTorch: the direction in which a real loss L grows fastest.

    The layer is the one of [1]_.

    References
    ----------
    .. [1] T. N. Kipf and M. Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017.
       :doi:`10.48550/arXiv.1609.02907`

    Examples
    --------
    Of three nodes in a row, which take the mean of themselves and their neighbours, the middle one counts most:

    >>> import numpy as np
    >>> import ndconv
    >>> path = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> x = np.array([[0.0], [6.0], [0.0]])
    >>> gradients = ndconv.graph_conv_backward(
    ...     np.ones((3, 1)), x, path, [[1.0]], normalization="row", needs=("x", "weight")
    ... )
    >>> gradients.x.round(2)
    array([[0.83],
           [1.33],
           [0.83]])
    >>> gradients.weight
    array([[8.]])
    >>> print(gradients.bias)
    None
    """
    grad_y, x, weight = unmasked_array(grad_y, "grad_y"), unmasked_array(x, "x"), unmasked_array(weight, "weight")
    graph, graph_dtype = _as_graph(adjacency)
    _check_shapes(x, graph, weight)
    y_shape = (x.shape[0], weight.shape[1])
    if grad_y.shape != y_shape:
        raise ValueError(f"grad_y must have the output's shape {y_shape}, got {grad_y.shape}")
    one_of(normalization, "normalization", NORMALIZATIONS)
    flag(self_loops, "self_loops")
    names = checked_needs(needs)
    workers = checked_workers(workers)
    dtype, working = _result_dtype((grad_y, x, weight), graph_dtype, normalization)
    graph = _normalized(graph, normalization, self_loops, working)

    def finished(sums: Array, operand: Array) -> Array:
        if sums.dtype.kind == "c" and operand.dtype.kind != "c":
            return sums.real.copy()
        with np.errstate(over="ignore"):
            return sums.astype(dtype, copy=False)

    by_x = by_weight = by_bias = None
    if names & {"x", "weight"}:
        sent = graph.conj(copy=False).T @ np.require(grad_y, working, "A")
        if "x" in names:
            by_x = finished(_product(sent, weight.astype(working).conj().T, workers), x)
        if "weight" in names:
            by_weight = finished(_product(x.astype(working).conj().T, sent, workers), weight)
    if "bias" in names:
        by_bias = bias_gradient(grad_y, 0)
    return ConvGradients(by_x, by_weight, by_bias)
