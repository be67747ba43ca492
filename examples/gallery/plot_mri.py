r"""
Smoothing and gradients of an MRI volume
========================================

A layer with three spatial axes for a scan of a head. One call answers with four channels: the volume smoothed by a
Gaussian, and its slope along each of the three axes. Voxels of a scan are seldom cubes, so the width of the Gaussian is
given in millimetres, and has another number of voxels on each axis. SciPy checks the answer.

The volume is the first of two in a scan for diffusion imaging that comes with NiBabel [1]_: 128 × 96 × 24 voxels of
2 × 2 × 2.2 mm. That slopes of a smoothed image are better taken with the derivative of the Gaussian, in one step, is
J. Canny's advice [2]_.

.. [1] M. Brett, C. J. Markiewicz, M. Hanke et al., "NiBabel: Access a Cacophony of Neuro-Imaging File Formats",
   :doi:`10.5281/zenodo.591597`.
.. [2] J. Canny, "A Computational Approach to Edge Detection", IEEE TPAMI 8 (6), 1986, pages 679–698,
   :doi:`10.1109/TPAMI.1986.4767851`.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import nibabel
import numpy as np
import scipy.ndimage

import ndconv

# %%
# The volume
# ----------

scan = nibabel.load(Path(nibabel.__file__).parent / "tests" / "data" / "example4d.nii.gz")
volume = np.asarray(scan.dataobj[..., 0], np.float64)[np.newaxis]
spacing = np.array(scan.header.get_zooms()[:3], np.float64)  # in millimetres
print(f"{' x '.join(map(str, volume.shape[1:]))} voxels of {' x '.join(f'{s:.1f}' for s in spacing)} mm")

# %%
# The layer
# ---------
# Its filters are outer products of a Gaussian and of its derivative; the derivative is in units per millimetre.

WIDTH = 3.0  # the Gaussian's standard deviation, in millimetres
sigmas = WIDTH / spacing
radii = [round(4 * sigma) for sigma in sigmas]


def gaussian(sigma, radius):
    """Return a Gaussian that sums to 1."""
    taps = np.exp(-np.square(np.arange(-radius, radius + 1) / sigma) / 2)
    return taps / taps.sum()


smoothing = [gaussian(sigma, radius) for sigma, radius in zip(sigmas, radii, strict=True)]
slopes = [
    bell * np.arange(-radius, radius + 1) / sigma**2 / step
    for bell, sigma, radius, step in zip(smoothing, sigmas, radii, spacing, strict=True)
]
filters = [smoothing] + [
    [slopes[axis] if axis == along else smoothing[axis] for axis in range(3)] for along in range(3)
]
weight = np.array([np.einsum("i,j,k->ijk", *factors) for factors in filters])[:, np.newaxis]

layer = ndconv.ConvLayer(weight, padding=tuple(radii), padding_mode="symmetric")
smooth, *gradient = layer(volume)
print(f"filters of {' x '.join(map(str, weight.shape[2:]))} taps, {weight.size:,} weights")

# %%
# SciPy agrees
# ------------
# What it calls "reflect" is "symmetric" here, and a derivative of order 1 is one of convolution, whose filter is
# mirrored, in voxels instead of millimetres.

expected = scipy.ndimage.gaussian_filter(volume[0], sigmas, radius=radii)
np.testing.assert_allclose(smooth, expected, rtol=0, atol=1e-12 * volume.max())
for axis, channel in enumerate(gradient):
    order = [int(other == axis) for other in range(3)]
    expected = scipy.ndimage.gaussian_filter(volume[0], sigmas, order=order, radius=radii) / spacing[axis]
    np.testing.assert_allclose(channel, expected, rtol=0, atol=1e-12 * volume.max())

# %%
# The picture
# -----------
# Above, a slice across the head, seen from below as radiologists do; under it, one from the side. The gradient is long
# where tissues meet; its three parts are red where it becomes brighter in that direction, and blue where darker.

length = np.sqrt(sum(np.square(channel) for channel in gradient))
brightness = {"the scan": volume[0], "smoothed": smooth, "gradient, length": length}
directions = dict(zip(["right to left", "back to front", "bottom to top"], gradient, strict=True))

fig, axes = plt.subplots(2, 6, figsize=(8, 2.3), height_ratios=[96 * spacing[1], 24 * spacing[2]])
for (title, values), (above, below) in zip((brightness | directions).items(), axes.T, strict=True):
    limit = np.percentile(np.abs(values), 99.8)
    if title in directions:
        look = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    else:
        look = {"cmap": "gray", "vmin": 0, "vmax": limit}
    above.imshow(values[24:104, :, 13].T, origin="lower", aspect=spacing[1] / spacing[0], **look)
    below.imshow(values[66].T, origin="lower", aspect=spacing[2] / spacing[1], **look)
    above.set_title(title)
for ax in axes.flat:
    ax.axis("off")

plt.show()
