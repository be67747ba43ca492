"""Batch normalisation as part of the layer before it: `fold_batch_norm`."""

import math
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

from .._call.dtypes import Array, unmasked_array


def fold_batch_norm(
    weight: ArrayLike,
    bias: ArrayLike | None,
    gamma: ArrayLike | None,
    beta: ArrayLike | None,
    mean: ArrayLike,
    var: ArrayLike,
    eps: float = 1e-5,
) -> tuple[Array, Array]:
    r"""Fold a batch normalisation into the weights and the bias of the layer before it.

    Parameters
    ----------
    weight : array_like
        Filters of a layer, shape (C_out, ...), with any number of axes.
    bias : array_like or None
        The layer's bias, shape (C_out,); None is 0.
    gamma, beta : array_like or None
        Scale and shift after the normalisation, shape (C_out,); None is 1 and 0.
    mean, var : array_like
        Mean and variance of the layer's outputs, collected in training, shape (C_out,).
    eps : float, optional
        What the normalisation adds to the variance.

    Returns
    -------
    weight, bias : ndarray
        Those of one layer that does both, of the dtype that NumPy gives the inputs together (float64 if all are
        integers); computed in float64 and rounded once.

    Raises
    ------
    ValueError
        If a vector has another length than C_out, `eps` is negative or not finite, or ``var + eps`` is not positive.
    TypeError
        If an argument has the wrong type or dtype, or `var` is complex.

    See Also
    --------
    conv_layer : The layer.

    Notes
    -----
    Once trained, a batch normalisation [1]_ does the same to every output y of a channel, ``gamma * (y - mean) /
    sqrt(var + eps) + beta``. That is a scale and a shift, and the layer before it has both already. So the folded layer
    costs what the layer cost alone.

    References
    ----------
    .. [1] S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
       Covariate Shift", ICML 2015. :doi:`10.48550/arXiv.1502.03167`

    Examples
    --------
    >>> import numpy as np
    >>> import ndconv
    >>> x, weight = np.array([[1.0, 2, 4, 8]]), np.array([[[1.0, 1]], [[-1, 1]]])
    >>> gamma, beta, mean, var = [2.0, 1], [0.0, 1], [5.0, 2], [4.0, 1]
    >>> ndconv.conv_layer(x, *ndconv.fold_batch_norm(weight, None, gamma, beta, mean, var, eps=0))
    array([[-2.,  1.,  7.],
           [ 0.,  1.,  3.]])
    """
    filters = unmasked_array(weight, "weight")
    if not filters.ndim:
        raise ValueError(f"weight must have shape (C_out, ...), got {filters.shape}")
    given = {"bias": bias, "gamma": gamma, "beta": beta, "mean": mean, "var": var}
    vectors = {
        name: unmasked_array(vector, name)
        for name, vector in given.items()
        if vector is not None or name in ("mean", "var")  # None is an error there
    }
    for name, vector in vectors.items():
        if vector.shape != filters.shape[:1]:
            raise ValueError(
                f"{name} must have shape {filters.shape[:1]}, one entry per output channel; got {vector.shape}"
            )
    if vectors["var"].dtype.kind == "c":
        raise TypeError(f"var must have a real dtype, got {vectors['var'].dtype}")
    if isinstance(eps, bool) or not isinstance(eps, Real):
        raise TypeError(f"eps must be a number, got {eps!r}")
    if not 0 <= eps < math.inf:
        raise ValueError(f"eps must be finite and not negative, got {eps!r}")
    dtype = np.result_type(*(a.dtype for a in (filters, *vectors.values()))).newbyteorder("=")
    if dtype.kind in "biu":
        dtype = np.dtype(np.float64)
    wide = np.result_type(dtype, np.float64)
    filters, vectors = filters.astype(wide), {name: vector.astype(wide) for name, vector in vectors.items()}
    spread = vectors["var"].real + float(eps)
    if not (spread > 0).all():
        raise ValueError(f"var + eps must be positive, got {spread[~(spread > 0)][0]} with eps {eps!r}")
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # a result like any other, as in a layer
        scale = vectors.get("gamma", 1) / np.sqrt(spread)
        shift = (vectors.get("bias", 0) - vectors["mean"]) * scale + vectors.get("beta", 0)
        return (
            (filters * scale.reshape(-1, *(1,) * (filters.ndim - 1))).astype(dtype),
            shift.astype(dtype),
        )
