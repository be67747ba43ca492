"""Convolution layers on a real ECG, a real photograph and a real MRI, each checked against SciPy.

The arrays go into the layers as they come from disk: the ECG as 32-bit integers, the photograph as bytes with its
colours last, the MRI as a memory-mapped file of big-endian integers in Fortran order. The exit status is 1 if an answer
is not SciPy's. The picture is written to output/demo.png.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from statistics import geometric_mean, median

import nibabel
import numpy as np
import pywt
import scipy.ndimage
import scipy.signal
import skimage.data
from demo_picture import draw

import ndconv

PICTURE = Path(__file__).resolve().parent.parent / "output" / "demo.png"
PADDING_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge"}  # and NumPy's name of each

# --------------------------------------------------------------------------------------------------------------- inputs


def load_ecg() -> np.ndarray:
    """Return an electrocardiogram as one channel of 1024 integers."""
    return pywt.data.ecg()[np.newaxis]


def load_photograph() -> np.ndarray:
    """Return a colour photograph of a cat as bytes, channels last."""
    return skimage.data.chelsea()


def load_mri() -> np.ndarray:
    """Return the middle of a head as one channel; memory-mapped, big-endian, Fortran-ordered."""
    image = nibabel.load(Path(nibabel.__file__).parent / "tests" / "data" / "anatomical.nii")
    return image.dataobj.get_unscaled()[np.newaxis]


# -------------------------------------------------------------------------------------------------------------- filters


def wavelet_bank(scales: np.ndarray, taps: int = 129) -> np.ndarray:
    """Return one Mexican-hat wavelet per scale, of unit energy."""
    t = (np.arange(taps) - taps // 2) / scales[:, np.newaxis]
    wavelets = (1 - t**2) * np.exp(-(t**2) / 2)
    return (wavelets / np.linalg.norm(wavelets, axis=1, keepdims=True))[:, np.newaxis]


def causal_baseline(taps: int = 9) -> np.ndarray:
    """Return two filters that look only back: the mean of the past, and the present sample less that mean."""
    mean = np.full(taps, 1 / taps)
    return np.stack([mean, np.eye(taps)[-1] - mean])[:, np.newaxis]


def edge_detector(size: int = 3) -> np.ndarray:
    """Return the horizontal-edge detector, on the mean of three colours; zeros around it make up the size."""
    rows = np.pad([[-1, -1, -1], [0, 0, 0], [1, 1, 1]], (size - 3) // 2)
    return np.broadcast_to(rows / (3 * 255), (1, 3, size, size)).astype(np.float32)


def gabor(degrees: float, phase: float, wavelength: float = 5.0, size: int = 9) -> np.ndarray:
    """Return a wave that runs in one direction under a Gaussian window, without a constant part."""
    v, u = np.mgrid[:size, :size] - size // 2
    along = u * np.cos(np.radians(degrees)) - v * np.sin(np.radians(degrees))
    window = np.exp(-(u**2 + v**2) / (2 * (size / 5) ** 2))
    wave = np.cos(2 * np.pi * along / wavelength + phase)
    filtered = window * (wave - (window * wave).sum() / window.sum())
    return filtered / np.abs(filtered).sum()


def oriented_bank() -> np.ndarray:
    """Return the edge detector, four directions of light, and three of colour, as one layer."""
    light, red_green, blue_yellow = (1 / 3, 1 / 3, 1 / 3), (0.7, -0.7, 0.0), (-0.4, -0.4, 0.8)
    shapes = [(light, degrees, np.pi / 2) for degrees in (0, 45, 90, 135)]
    shapes += [(red_green, 20, np.pi / 2), (red_green, 110, np.pi / 2), (blue_yellow, 65, 0)]
    filters = [np.multiply.outer(colour, gabor(degrees, phase)) for colour, degrees, phase in shapes]
    return np.concatenate([edge_detector(9), np.array(filters, np.float32) * (4 / 255)]).astype(np.float32)


def volume_bank(size: int = 5, sigma: float = 1.0) -> np.ndarray:
    """Return a Gaussian and its derivative along each of three axes."""
    t = np.arange(size) - size // 2
    smooth = np.exp(-(t**2) / (2 * sigma**2))
    smooth /= smooth.sum()
    slope = t * smooth / (t**2 * smooth).sum()
    along = [[slope if axis == which else smooth for axis in range(3)] for which in (None, 0, 1, 2)]
    return np.array([np.einsum("i,j,k->ijk", *axes) for axes in along], np.float32)[:, np.newaxis] / 1e4


# ---------------------------------------------------------------------------------------------------------------- SciPy


def scipy_layer(
    x, weight, bias, *, padding=0, padding_mode="zeros", stride=1, dilation=1, channel_axis=0
) -> np.ndarray:
    """Return the same layer by SciPy in float64: padded by NumPy, then one correlation for each pair of channels."""
    reach = [dilation * (k - 1) for k in weight.shape[2:]]
    margins = [(r, 0) if padding == "causal" else (padding, padding) for r in reach]
    planes = np.pad(np.moveaxis(x, channel_axis, 0), [(0, 0), *margins], mode=PADDING_MODES[padding_mode])
    channels = [sum(map(scipy_correlate, planes, filters)) for filters in spread(weight, dilation)]
    y = np.stack(channels) + bias.reshape(-1, *[1] * len(reach))
    return np.moveaxis(y[(slice(None), *[slice(None, None, stride)] * len(reach))], 0, channel_axis)


def scipy_correlate(plane: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Return the correlation without padding, by SciPy's faster direct function."""
    plane = plane.astype(np.float64)
    if plane.ndim == 1:
        return scipy.signal.correlate(plane, kernel, "valid", method="direct")
    inside = tuple(slice(k // 2, k // 2 + n - k + 1) for n, k in zip(plane.shape, kernel.shape, strict=True))
    return scipy.ndimage.correlate(plane, kernel, mode="constant")[inside]


def spread(weight: np.ndarray, dilation: int) -> np.ndarray:
    """Return the filters with `dilation - 1` zeros between their taps."""
    wide = np.zeros((*weight.shape[:2], *(dilation * (k - 1) + 1 for k in weight.shape[2:])))
    wide[(..., *[slice(None, None, dilation)] * (weight.ndim - 2))] = weight
    return wide


# ---------------------------------------------------------------------------------------------------------------- cases


@dataclass
class Case:
    """One layer on one input, and what came of it."""

    input: str
    layer: str
    x: np.ndarray
    weight: np.ndarray
    options: dict
    y: np.ndarray = field(init=False)
    difference: float = field(init=False)
    agrees: bool = field(init=False)
    seconds: dict[str, float] = field(init=False)

    @property
    def bias(self) -> np.ndarray:
        """One small number per output channel: enough to take part in the comparison."""
        return np.linspace(-1e-3, 1e-3, len(self.weight), dtype=self.weight.dtype)

    def run(self) -> None:
        """Run the layer and SciPy, compare the answers, and time both."""
        layer = ndconv.ConvLayer(self.weight, self.bias, **self.options)
        self.y = layer(self.x)
        expected = self.by_scipy()
        error = np.abs(self.y - expected)
        self.difference = error.max()
        self.agrees = self.y.shape == expected.shape and bool((error <= self.rounding()).all())
        self.seconds = {"ndconv": stopwatch(lambda: layer(self.x)), "scipy": stopwatch(self.by_scipy)}

    def by_scipy(self) -> np.ndarray:
        """Return SciPy's answer."""
        return scipy_layer(self.x, self.weight, self.bias, **self.options)

    def rounding(self) -> np.ndarray:
        """Return how far rounding may carry each output: 8 eps sqrt(K) B, of the layer's dtype and of SciPy's.

        K products are summed for one output, and B is the sum of their absolute values.
        """
        magnitudes = (np.abs(array.astype(np.float64)) for array in (self.x, self.weight, self.bias))
        eps = np.finfo(self.y.dtype).eps + np.finfo(np.float64).eps
        return 8 * eps * np.sqrt(prod(self.weight.shape[1:])) * scipy_layer(*magnitudes, **self.options)

    def row(self) -> list[str]:
        """Return the cells of this case in the table."""
        channels_first = np.moveaxis(self.x, self.options.get("channel_axis", 0), 0).shape
        geometry = {name: self.options[name] for name in ("padding", "stride", "dilation") if name in self.options}
        cost = ndconv.layer_cost(channels_first, self.weight.shape, **geometry)
        ours, theirs = 1e3 * self.seconds["ndconv"], 1e3 * self.seconds["scipy"]
        return [
            self.input,
            self.layer,
            self.options["padding_mode"],
            " x ".join(map(str, self.y.shape)),
            f"{cost.parameters:,}",
            f"{cost.multiply_adds:,}",
            f"{self.difference:.1e}",
            f"{theirs:.2f}",
            f"{ours:.3f}",
            f"{theirs / ours:.0f}x",
        ]


def cases() -> list[Case]:
    """Return every layer of the demonstration, under each of three padding modes."""
    ecg, photograph, mri = load_ecg(), load_photograph(), load_mri()
    signal, image, volume = f"ECG {ecg.dtype}", f"cat {photograph.dtype}", f"MRI {mri.dtype.str}"
    last = {"channel_axis": -1}
    layers = [
        (signal, "wavelets", ecg, wavelet_bank(np.geomspace(1.5, 24, 32)), {"padding": 64}),
        (signal, "causal, dilation 16", ecg, causal_baseline(), {"padding": "causal", "dilation": 16}),
        (image, "horizontal edges", photograph, edge_detector(), {"padding": 1, **last}),
        (image, "oriented", photograph, oriented_bank(), {"padding": 4, **last}),
        (image, "oriented, stride 2", photograph, oriented_bank(), {"padding": 4, "stride": 2, **last}),
        (image, "oriented, dilation 4", photograph, oriented_bank(), {"padding": 16, "dilation": 4, **last}),
        (volume, "gradients", mri, volume_bank(), {"padding": 2}),
        (volume, "gradients, dilation 2", mri, volume_bank(), {"padding": 4, "dilation": 2}),
    ]
    return [
        Case(name, layer, x, weight, {**options, "padding_mode": mode})
        for name, layer, x, weight, options in layers
        for mode in PADDING_MODES
    ]


def stopwatch(call: Callable, budget: float = 0.1, most: int = 25) -> float:
    """Return the median time of a call, made again until the budget is spent."""
    times = []
    while sum(times) < budget and len(times) < most:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


# --------------------------------------------------------------------------------------------------------------- report

TITLES = [
    "input",
    "layer",
    "padding",
    "output",
    "parameters",
    "multiply-adds",
    "difference",
    "SciPy",
    "ndconv",
    "ratio",
]
WIDTHS = [10, 22, 9, 15, 10, 13, 10, 9, 9, 6]


def print_row(cells: list[str]) -> None:
    """Print one row of the table, words to the left and numbers to the right."""
    sides = "<<<" + ">" * (len(WIDTHS) - 3)
    print(
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, WIDTHS, strict=True)), flush=True
    )


def main() -> int:
    """Run everything, print the table, draw the picture, and say whether all answers are SciPy's."""
    everything = cases()
    print_row(TITLES)
    for case in everything:
        case.run()
        print_row(case.row())
    wrong = [case for case in everything if not case.agrees]
    for case in wrong:
        print(
            f"MISMATCH: {case.input}, {case.layer}, {case.options['padding_mode']}: {case.difference:.3e}",
            file=sys.stderr,
        )
    speed = geometric_mean(case.seconds["scipy"] / case.seconds["ndconv"] for case in everything)
    print(f"\n{len(everything) - len(wrong)} of {len(everything)} layers agree with SciPy; times in milliseconds;")
    print(f"ndconv is {speed:.0f} times as fast (geometric mean).")
    print(f"Picture: {draw(everything, PICTURE)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
