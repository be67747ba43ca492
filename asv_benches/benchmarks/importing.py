"""Time of importing ndconv beyond NumPy; NumPy itself and SciPy's modules stand beside it.

A string (or a pair of statement and set-up) that a `timeraw_` function returns runs in a fresh interpreter.
"""


def timeraw_numpy():
    return "import numpy"


def timeraw_ndconv():
    return "import ndconv", "import numpy"


def timeraw_scipy_signal():
    return "import scipy.signal", "import numpy"


def timeraw_scipy_ndimage():
    return "import scipy.ndimage", "import numpy"
