"""The Fourier method: a correlation is a product of spectra, which pays for large kernels.

Outputs are computed in blocks (overlap-save: T. G. Stockham, High-speed convolution and correlation, 1966), so that
memory is bounded and blocks fit caches; threads take blocks. The transforms are those of ``scipy.fft``. Of several
channels, products are summed in the frequency domain. Samples that no output reads are zero in a block, and so are
outputs that find nothing but zeros.

Errors are spread over a block, where they are about as large as a root mean square output would be if no output were
left out. So a block is done again by the direct method where its outputs are much smaller, because they hardly see what
is large in x or in the kernel; and where they are not all finite, since infinities and NaN would reach all of it. A
call with weights that are not finite is left to the direct method as a whole.
"""

from __future__ import annotations

import math

from ..._call.arguments import LARGEST
from .. import extent
from ..problem import MANY_TAPS, Problem, remembered_always
from .blocks import best
from .spectra import FourierPlan

NAME = "fft"
DESCRIPTION = """\
Multiplies spectra, block by block. Its time hardly depends on the size of the kernel, so it is for large ones.
Floating dtypes only."""

# Samples that no machine has memory for, and no transform may have.
LONGEST = 1 << 48

FITTED: tuple[str, ...] = (
    "blocks.SPECTRUM_SLOWER",
    "blocks.SPECTRUM_SINGLE",
    "blocks.TRANSFORM_CYCLES",
    "blocks.POINT_CYCLES",
    "blocks.PRODUCT_CYCLES",
    "blocks.WIDE",
    "blocks.BLOCK_CYCLES",
    "blocks.CALL_CYCLES",
)


def why_not(problem: Problem) -> str | None:
    """Return the reason why the method cannot do a problem, or None."""
    g = problem.geometry
    if problem.dtype.kind not in "fc":
        return f"its transforms would round integers of dtype {problem.dtype}"
    if 0 in g.out_shape or 0 in (g.channels_in, g.channels_out, problem.batch):
        return "there is nothing to compute"
    if max(g.kernel) == 1:
        return "the kernel has a single tap"
    if max(extent.ends(g)) > LONGEST:
        return f"kernel and outputs span {max(extent.ends(g))} samples, more than a transform may have"
    spans = [d * (k - 1) + 1 for d, k in zip(g.dilation, g.kernel, strict=True)]
    if 16 * g.weights // g.taps * math.prod(spans) > LARGEST:
        return f"a kernel that spans {' x '.join(map(str, spans))} samples has more than 64-bit sizes can count"
    return None


def cost(problem: Problem) -> float:
    """Return the predicted cycles on one core; too many to count where taps are few, without asking scipy.fft."""
    return best(problem)[0] if problem.geometry.taps >= MANY_TAPS else math.inf


@remembered_always
def plan(problem: Problem) -> FourierPlan:
    """Return the plan of a problem."""
    return FourierPlan(problem)
