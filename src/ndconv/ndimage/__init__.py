"""Drop-ins for functions of ``scipy.ndimage``: the same signatures, defaults, names, results and errors, run by ndconv.

Change one import to use them::

    from ndconv import ndimage  # was: from scipy import ndimage

Results are computed in double precision and rounded to the output's dtype; integers are truncated. Boundary modes bear
SciPy's names here: "reflect" repeats the sample at the border, "mirror" does not.
"""

# What a parameter is stands in the docstring of one function, to which the others refer: editors read the source, where
# a text that is put in at import would not show.
from ._correlate import convolve, convolve1d, correlate, correlate1d
from ._differences import laplace, prewitt, sobel
from ._gaussian import gaussian_filter, gaussian_filter1d
from ._gaussian_derivatives import gaussian_gradient_magnitude, gaussian_laplace
from ._generic import generic_gradient_magnitude, generic_laplace
from ._uniform import uniform_filter, uniform_filter1d

__all__ = [
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "generic_gradient_magnitude",
    "generic_laplace",
    "laplace",
    "prewitt",
    "sobel",
    "uniform_filter",
    "uniform_filter1d",
]

# Whoever prints or pickles one finds it here, not in the module that defines it.
for _name in __all__:
    globals()[_name].__module__ = __name__
