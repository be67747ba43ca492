"""The gradients of a layer, by the kernels of the forward pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _core
from .._call.arguments import Padding, PerAxis, channel_axis_of
from .._call.arrays import new_output
from .._call.dtypes import Array, compute_type, result_dtype, unmasked_array
from .._call.geometry import Geometry, Shape, batch_of, channels_first, layer_geometry
from .._call.values import checked_fill_value, promoted_for_fill
from .._runtime.caches import Cache
from .._runtime.workers import checked_workers
from .._transposed.phases import box_of_samples, transposed_phases, transposed_sets
from .._transposed.run import run_transposed
from .result import ConvGradients, checked_needs
from .weight import weight_gradient

# Bytes of the gradients of padded samples that are computed before they are added to those of the samples they repeat.
BORDER_BYTES = 4 << 20

# Padded samples of which less than one in so many is read, because of the stride, are computed phase by phase; those
# that a dilation passes over are left out, where they are at least so many in a row; and runs of samples that are added
# one by one, rather than by their indices.
SPARSE_PHASES = 8
SPARSE_SAMPLES = 1 << 12
MOST_RUNS = 64


def conv_layer_backward(
    grad_y: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    *,
    stride: PerAxis = 1,
    padding: Padding = 0,
    padding_mode: str | tuple[str, ...] = "zeros",
    fill_value: complex = 0.0,
    dilation: PerAxis = 1,
    groups: int = 1,
    needs: str | Iterable[str] = ("x", "weight", "bias"),
    channel_axis: int | None = None,
    workers: int | None = None,
) -> ConvGradients:
    r"""Gradients of a convolution layer with respect to its input, weights and bias.

    Parameters
    ----------
    grad_y : array_like
        The gradient of a number with respect to the layer's output (before any activation), of the output's shape,
        (C_out, \*S_out) or (N, C_out, \*S_out).
    x : array_like
        The layer's input, (C_in, \*S) or (N, C_in, \*S). Its samples are read only for the gradient to `weight`.
    weight : array_like
        The layer's filters, (C_out, C_in // groups, \*K). They are read only for the gradient to `x`.
    stride, padding, padding_mode, fill_value, dilation, groups, channel_axis, workers : optional
        As in `conv_layer`.
    needs : str or iterable of str, optional
        Which gradients to compute: "x", "weight", "bias".

    Returns
    -------
    ConvGradients
        The gradients `x`, `weight` and `bias`, of the shapes of what they belong to, None where not asked for. Their
        dtype is that of the products they are sums of; what belongs to real numbers is real. For complex arrays
        the gradient is ``dL/d(re) + 1j * dL/d(im)``, so that a step against it makes the number smaller.

    Raises
    ------
    ValueError
        If shapes or values do not fit; the message names the argument.
    TypeError
        If an argument has the wrong type or dtype.

    See Also
    --------
    ConvLayer.backward : The same for a prepared layer, with its activation.
    conv_transpose_layer : The gradient to `x` as a layer of its own.

    Notes
    -----
    With ``y[k, i] = bias[k] + sum over c, u of weight[k, c, u] * xp[c, stride * i + dilation * u]``, where xp is x with
    its padding, the gradients are [1]_::

        weight[k, c, u] = sum over n, i of grad_y[n, k, i] * conj(xp[n, c, stride * i + dilation * u])
        xp[n, c, stride * i + dilation * u] += conj(weight[k, c, u]) * grad_y[n, k, i]
        bias[k] = sum over n, i of grad_y[n, k, i]

    and what padding has read from x more than once adds up there: the exact adjoint of the layer.

    References
    ----------
    .. [1] Y. LeCun, B. Boser, J. S. Denker et al., "Backpropagation Applied to Handwritten Zip Code Recognition",
       Neural Computation 1(4), 1989, pp. 541-551. :doi:`10.1162/neco.1989.1.4.541`

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> x, weight = np.arange(5.0)[None], np.array([[[1.0, -1.0]]])
    >>> ndconv.conv_layer_backward(np.ones((1, 4)), x, weight)
    ConvGradients(x=array([[ 1.,  0.,  0.,  0., -1.]]), weight=array([[[ 6., 10.]]]), bias=array([4.]))
    """
    wanted = checked_needs(needs)
    gradient, array, filters = (
        unmasked_array(grad_y, "grad_y"),
        unmasked_array(x, "x"),
        unmasked_array(weight, "weight"),
    )
    threads = checked_workers(workers)
    ndim = filters.ndim - 2
    last = channel_axis_of(channel_axis) is not None
    if last and ndim > 0 and array.ndim in (ndim + 1, ndim + 2):
        array = array.transpose(channels_first(array.ndim, ndim))
    geometry = layer_geometry(array.shape, filters.shape, stride, padding, padding_mode, dilation, groups)
    shape = geometry.y_shape(batch_of(array.shape, ndim))
    gradient = checked_gradient(gradient, shape, ndim, last)
    checked_fill_value(fill_value, result_dtype(promoted_for_fill(array[..., :0], fill_value), filters))
    return layer_gradients(gradient, array, filters, geometry, fill_value, wanted, last, threads)


# What is not finite, or too large for half precision, is a result like any other, as it is in the kernels.
_silently = np.errstate(over="ignore", invalid="ignore")


@_silently
def layer_gradients(
    grad_y: Array, x: Array, weight: Array, geometry: Geometry, fill_value: complex, needs: frozenset[str],
    channels_last: bool, workers: int | None, bias: Array | None = None, packed: Cache[Any] | None = None,
) -> ConvGradients:  # fmt: skip
    """Return the gradients from checked arrays, channels first; that to x with its channels last if asked to."""
    grad_x = grad_weight = grad_bias = by_bias = None
    padded = promoted_for_fill(x, fill_value) if "weight" in needs else x
    if "weight" in needs:
        checked_fill_value(fill_value, result_dtype(grad_y, padded))
    if "x" in needs:
        grad_x = _input_gradient(grad_y, x, weight, geometry, channels_last, packed, workers)
    if "weight" in needs:
        dtype = result_dtype(grad_y, padded)
        sums, by_bias = weight_gradient(grad_y, padded, geometry, dtype, fill_value, workers)
        grad_weight = like(sums, weight)
    if "bias" in needs:
        if by_bias is None or (by_bias.dtype.kind in "fc" and grad_y.dtype.kind not in "fc"):
            by_bias = bias_gradient(grad_y, geometry.ndim)  # of integers, which wrap around where floats round
        by_bias = like(by_bias, grad_y).astype(result_dtype(grad_y), copy=False)
        grad_bias = by_bias if bias is None else like(by_bias, bias)
    return ConvGradients(grad_x, grad_weight, grad_bias)


@_silently
def bias_gradient(grad_y: Array, ndim: int) -> Array:
    """Return the sums of gradients (*batch, channels, *out) over all but the channels."""
    dtype = result_dtype(grad_y)
    # In whatever order NumPy goes through them, millions of gradients are not too many for a float64.
    wide = np.result_type(dtype, np.float64) if dtype.kind in "fc" else dtype
    axes = (*range(grad_y.ndim - ndim - 1), *range(grad_y.ndim - ndim, grad_y.ndim))
    return np.asarray(grad_y.sum(axis=axes, dtype=wide)).astype(dtype, copy=False)


def checked_gradient(grad_y: Array, shape: Shape, ndim: int, channels_last: bool) -> Array:
    """Return the gradient to y, channels first as `shape` is, or raise if it has not y's shape."""
    expected = (*shape[: -ndim - 1], *shape[-ndim:], shape[-ndim - 1]) if channels_last else shape
    if grad_y.shape != expected:
        raise ValueError(f"grad_y must have the output's shape {expected}, got {grad_y.shape}")
    return grad_y.transpose(channels_first(grad_y.ndim, ndim)) if channels_last else grad_y


def like(gradient: Array, primal: Array) -> Array:
    """Return a gradient as real numbers, and in their room, if what it belongs to is real."""
    return gradient.real.copy() if gradient.dtype.kind == "c" and primal.dtype.kind != "c" else gradient


# --- The gradient to x ---------------------------------------------------------------------------------------------


def _input_gradient(
    grad_y: Array, x: Array, weight: Array, geometry: Geometry, channels_last: bool, packed: Cache[Any] | None,
    workers: int | None,
) -> Array:  # fmt: skip
    g = geometry
    dtype = result_dtype(grad_y, weight)
    sets = transposed_sets(weight.conj() if weight.dtype.kind == "c" else weight, g.groups)
    borders = list(_borders(g))
    # What is added up is not rounded to half precision before.
    sum_dtype = np.dtype(compute_type(dtype)) if borders and dtype == np.float16 else dtype
    if channels_last:
        shape = (*batch_of(x.shape, g.ndim), *g.in_shape, g.channels_in)
        grad_x = new_output(shape, sum_dtype).transpose(channels_first(len(shape), g.ndim))
    else:
        grad_x = new_output(x.shape, sum_dtype)

    most_columns = _core.load(compute_type(dtype)).most_phases

    def compute(box: Box, items: Array, target: Array) -> None:
        phases = transposed_phases(g, box, most_columns)
        run_transposed(phases, items, sets, target, packed=packed, workers=workers)

    compute(box_of_samples(g), grad_y, grad_x)
    for border in borders:
        for box, items in _pieces(border, grad_y, g.channels_in * sum_dtype.itemsize + _INDEX_BYTES, g.ndim):
            slab = np.empty((*grad_y[items].shape[: -g.ndim - 1], g.channels_in, *map(len, box)), sum_dtype)
            compute(box, grad_y[items], slab)
            _add_border(slab, box, g, grad_x[items])
    if channels_last:
        grad_x = np.moveaxis(grad_x, -g.ndim - 1, -1)
    return like(grad_x.astype(dtype, copy=False), x)


# A box of padded samples: along each axis, neighbours or samples a stride apart.
Box = tuple[range, ...]


def _borders(g: Geometry) -> Iterator[Box]:
    """Yield boxes that make up the padding that has read samples of x: axis by axis, before it and after it.

    A box lies within x along the axes that had their turn, and where padding is zeros. What no tap ever meets, because
    a stride or a dilation passes over it, is in none.
    """
    inside = box_of_samples(g)
    padded = [
        place if mode.name == "zeros" else range(place.stop + after)
        for place, mode, (_, after) in zip(inside, g.modes, g.padding, strict=True)
    ]
    for axis, (before, _) in enumerate(g.padding):
        if g.modes[axis].name == "zeros":
            continue
        for edge in (range(before), range(inside[axis].stop, padded[axis].stop)):
            ranges = [*inside[:axis], edge, *padded[axis + 1 :]]
            yield from product(*(_met(g, i, each) for i, each in enumerate(ranges)))


def _met(g: Geometry, axis: int, among: range) -> list[range]:
    """Return the padded samples of an axis that taps meet, and some more where these lie densely."""
    stride, dilation, taps, outputs = g.stride[axis], g.dilation[axis], g.kernel[axis], g.out_shape[axis]
    span = stride * (outputs - 1) + 1  # of the samples that one tap meets
    step = stride // math.gcd(stride, dilation)  # from one tap of a phase to the next
    phases, unit = min(step, taps), stride
    if phases * SPARSE_PHASES > stride:
        step = phases = unit = 1
    found = []
    for phase in range(phases):
        places = range(phase * dilation, taps * dilation, step * dilation)
        if step * dilation - span <= unit * SPARSE_SAMPLES:
            ends = [(places[0], places[-1] + span)]
        else:
            ends = [(place, place + span) for place in places]
        for start, end in ends:
            start += max(-((start - among.start) // unit), 0) * unit
            if start < min(end, among.stop):
                found.append(range(start, min(end, among.stop), unit))
    return found


def _pieces(box: Box, grad_y: Array, sample_bytes: int, ndim: int) -> Iterator[tuple[Box, Any]]:
    """Yield parts of a box, and of the batch, small enough to be computed apart."""
    most = max(BORDER_BYTES // sample_bytes, 1)
    axis = max(range(ndim), key=lambda i: len(box[i]))
    size = len(box[axis])
    line = math.prod(map(len, box)) // size
    step = max(min(most // line, size), 1)
    if line > most and size > 1:
        # One line is too much: cut along the next longest axis, too.
        for i in range(size):
            yield from _pieces((*box[:axis], box[axis][i : i + 1], *box[axis + 1 :]), grad_y, sample_bytes, ndim)
        return
    batch = max(most // (line * step), 1)
    items = range(0, len(grad_y), batch) if grad_y.ndim == ndim + 2 else (None,)
    for start in range(0, size, step):
        part = (*box[:axis], box[axis][start : start + step], *box[axis + 1 :])
        for item in items:
            yield part, slice(None) if item is None else slice(item, item + batch)


# What `_merged` needs for a padded sample of a single axis and channel, in five arrays.
_INDEX_BYTES = 5 * 8


def _add_border(slab: Array, box: Box, g: Geometry, grad_x: Array) -> None:
    """Add the gradients of padded samples to those of the samples that they were read from."""
    sources = []
    for axis, mode in enumerate(g.modes):
        position = np.arange(box[axis].start, box[axis].stop, box[axis].step) - g.padding[axis][0]
        source = position if mode.name == "zeros" else mode.source(position, g.in_shape[axis])
        slab, source = _merged(slab, source, axis - g.ndim)
        sources.append(source)
    breaks = [_breaks(source) for source in sources]
    if math.prod(1 + each.size for each in breaks) > MOST_RUNS:
        places: Any = (..., *np.ix_(*sources))
        grad_x[places] += slab
        return
    for combination in product(*map(_runs, sources, breaks)):
        there: Any = (..., *(run[0] for run in combination))
        here: Any = (..., *(run[1] for run in combination))
        grad_x[there] += slab[here]


def _merged(slab: Array, source: Array, axis: int) -> tuple[Array, Array]:
    """Add up, along an axis, what has the same source; return the sums with their sources in rising order."""
    if not _breaks(source).size:
        return slab, source
    order = np.argsort(source, kind="stable")
    source = source[order]
    first = np.flatnonzero(np.diff(source, prepend=-1))
    return np.add.reduceat(slab.take(order, axis), first, axis, slab.dtype), source[first]


def _breaks(source: Array) -> Array:
    """Return where sources do not follow their predecessors."""
    breaks: Array = (source[1:] - source[:-1] != 1).nonzero()[0] + 1
    return breaks


def _runs(source: Array, breaks: Array) -> list[tuple[slice, slice]]:
    """Return the runs of neighbours among rising sources: which sources they are, and where they stand."""
    ends = pairwise([0, *breaks.tolist(), source.size])
    return [(slice(int(source[start]), int(source[end - 1]) + 1), slice(start, end)) for start, end in ends]
