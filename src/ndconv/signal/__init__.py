"""Drop-ins for functions of ``scipy.signal``: the same signatures, defaults, names, results and errors, run by ndconv.

Change one import to use them::

    from ndconv import signal  # was: from scipy import signal
"""

from ._choose import choose_conv_method
from ._convolve import convolve, correlate
from ._fftconvolve import fftconvolve, oaconvolve
from ._filtfilt import filtfilt
from ._lags import correlation_lags
from ._lfilter import lfilter
from ._planes import convolve2d, correlate2d
from ._resample import decimate, resample_poly
from ._savgol import savgol_coeffs, savgol_filter
from ._upfirdn import upfirdn

__all__ = [
    "choose_conv_method",
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "correlation_lags",
    "decimate",
    "fftconvolve",
    "filtfilt",
    "lfilter",
    "oaconvolve",
    "resample_poly",
    "savgol_coeffs",
    "savgol_filter",
    "upfirdn",
]

# Whoever prints or pickles one finds it here, not in the module that defines it.
for _name in __all__:
    globals()[_name].__module__ = __name__
