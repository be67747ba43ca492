"""The problems that are measured: layers of well-known networks, and N-D correlations of single-channel signals.

The tables are data. `compare.py` and the asv benchmarks both read them, so that a name means the same everywhere.
"""

from dataclasses import dataclass
from math import prod

import numpy as np


@dataclass(frozen=True)
class Layer:
    """One convolution layer: the shapes of its input and filters, and how the filters move."""

    batch: int
    channels_in: int
    spatial: tuple[int, ...]
    channels_out: int
    kernel: tuple[int, ...]
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.batch, self.channels_in, *self.spatial)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.channels_out, self.channels_in // self.groups, *self.kernel)

    @property
    def widths(self) -> tuple[int, ...]:
        """Samples from the first to the last tap of the kernel, dilation included."""
        return tuple(self.dilation * (k - 1) + 1 for k in self.kernel)

    @property
    def output_shape(self) -> tuple[int, ...]:
        sizes = ((s + 2 * self.padding - w) // self.stride + 1 for s, w in zip(self.spatial, self.widths, strict=True))
        return (self.batch, self.channels_out, *sizes)

    @property
    def products(self) -> int:
        """Products summed for one output."""
        return prod(self.weight_shape[1:])

    @property
    def multiply_adds(self) -> int:
        return prod(self.output_shape) * self.products

    @property
    def values(self) -> int:
        """Numbers in input, weights and output together."""
        return prod(self.input_shape) + prod(self.weight_shape) + prod(self.output_shape)

    @property
    def options(self) -> dict[str, int]:
        """The keywords that ndconv and PyTorch share."""
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups}

    def arrays(self, dtype=np.float32) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Random input, weights and bias, the same in every run."""
        return normal(dtype, self.input_shape, self.weight_shape, (self.channels_out,))

    def __str__(self) -> str:
        moves = [("s", self.stride, 1), ("p", self.padding, 0), ("d", self.dilation, 1), ("g", self.groups, 1)]
        moved = "".join(f" {letter}{value}" for letter, value, usual in moves if value != usual)
        return f"{times(self.input_shape)} * {times(self.weight_shape)}{moved}"


@dataclass(frozen=True)
class Transposed(Layer):
    """One transposed layer: filters (channels in, channels out, *kernel) that the input lays over the output."""

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.channels_in, self.channels_out // self.groups, *self.kernel)

    @property
    def output_shape(self) -> tuple[int, ...]:
        sizes = ((s - 1) * self.stride + w - 2 * self.padding for s, w in zip(self.spatial, self.widths, strict=True))
        return (self.batch, self.channels_out, *sizes)

    @property
    def products(self) -> int:
        return self.channels_in // self.groups * prod(-(-k // self.stride) for k in self.kernel)

    @property
    def multiply_adds(self) -> int:
        return prod(self.input_shape) * prod(self.weight_shape[1:])


@dataclass(frozen=True)
class Gradients:
    """The three gradients of a layer."""

    layer: Layer

    @property
    def products(self) -> int:
        """Products summed for the gradient to one weight."""
        return self.layer.batch * prod(self.layer.output_shape[2:])

    @property
    def multiply_adds(self) -> int:
        return 2 * self.layer.multiply_adds

    @property
    def values(self) -> int:
        """Numbers read and written."""
        return 2 * self.layer.values

    def arrays(self, dtype=np.float32) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Random gradient to the output, input and weights, the same in every run."""
        return normal(dtype, self.layer.output_shape, self.layer.input_shape, self.layer.weight_shape)

    def __str__(self) -> str:
        return str(self.layer)


@dataclass(frozen=True)
class Signal:
    """One correlation of a single-channel array with a kernel, in mode "same"."""

    spatial: tuple[int, ...]
    kernel: tuple[int, ...]

    @property
    def products(self) -> int:
        return prod(self.kernel)

    @property
    def multiply_adds(self) -> int:
        return prod(self.spatial) * self.products

    @property
    def values(self) -> int:
        """Numbers in samples, kernel and output together."""
        return 2 * prod(self.spatial) + prod(self.kernel)

    def arrays(self, dtype=np.float32) -> tuple[np.ndarray, np.ndarray]:
        """Random samples and kernel, the same in every run."""
        return normal(dtype, self.spatial, self.kernel)

    def __str__(self) -> str:
        return f"{times(self.spatial)} * {times(self.kernel)}"


def normal(dtype, *shapes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Return one array per shape, of numbers whose real, and imaginary, parts are standard normal."""
    rng = np.random.default_rng(2026)
    arrays = [rng.standard_normal(shape, dtype=np.float32).astype(dtype, copy=False) for shape in shapes]
    if np.dtype(dtype).kind == "c":
        for array in arrays:
            array.imag = rng.standard_normal(array.shape, dtype=np.float32)
    return tuple(arrays)


def times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


LAYERS = {
    "resnet_conv1": Layer(1, 3, (224, 224), 64, (7, 7), stride=2, padding=3),
    "resnet_1x1_64_256_56": Layer(1, 64, (56, 56), 256, (1, 1)),
    "resnet_1x1_256_64_56": Layer(1, 256, (56, 56), 64, (1, 1)),
    "resnet_3x3_64_56": Layer(1, 64, (56, 56), 64, (3, 3), padding=1),
    "resnet_3x3_128_28": Layer(1, 128, (28, 28), 128, (3, 3), padding=1),
    "resnet_3x3s2_128_56": Layer(1, 128, (56, 56), 128, (3, 3), stride=2, padding=1),
    "resnet_3x3_256_14": Layer(1, 256, (14, 14), 256, (3, 3), padding=1),
    "resnet_3x3_512_7": Layer(1, 512, (7, 7), 512, (3, 3), padding=1),
    "resnet_1x1_512_2048_7": Layer(1, 512, (7, 7), 2048, (1, 1)),
    "resnet_1x1s2_256_512_56": Layer(1, 256, (56, 56), 512, (1, 1), stride=2),
    "vgg_3_64_224": Layer(1, 3, (224, 224), 64, (3, 3), padding=1),
    "vgg_64_64_224": Layer(1, 64, (224, 224), 64, (3, 3), padding=1),
    "vgg_256_56": Layer(1, 256, (56, 56), 256, (3, 3), padding=1),
    "vgg_512_28": Layer(1, 512, (28, 28), 512, (3, 3), padding=1),
    "mbv2_dw3_32_112": Layer(1, 32, (112, 112), 32, (3, 3), padding=1, groups=32),
    "mbv2_dw3s2_96_112": Layer(1, 96, (112, 112), 96, (3, 3), stride=2, padding=1, groups=96),
    "mbv2_dw3_576_14": Layer(1, 576, (14, 14), 576, (3, 3), padding=1, groups=576),
    "effnet_dw5_240_28": Layer(1, 240, (28, 28), 240, (5, 5), padding=2, groups=240),
    "convnext_dw7_96_56": Layer(1, 96, (56, 56), 96, (7, 7), padding=3, groups=96),
    "resnext_g32_128_56": Layer(1, 128, (56, 56), 128, (3, 3), padding=1, groups=32),
    "wavenet_64_128_d512": Layer(1, 64, (16000,), 128, (2,), dilation=512),
    "wav2vec_1_512_k10s5": Layer(1, 1, (160000,), 512, (10,), stride=5),
    "wav2vec_512_k3s2": Layer(1, 512, (32000,), 512, (3,), stride=2),
    "deeplab_512_d2_33": Layer(1, 512, (33, 33), 512, (3, 3), padding=2, dilation=2),
    "deeplab_aspp_d12": Layer(1, 2048, (33, 33), 256, (3, 3), padding=12, dilation=12),
    "unet3d_32_64_48": Layer(1, 32, (48, 48, 48), 64, (3, 3, 3), padding=1),
    "c3d_64_128_16x56": Layer(1, 64, (16, 56, 56), 128, (3, 3, 3), padding=1),
    "vnet_1_16_5_64": Layer(1, 1, (64, 64, 64), 16, (5, 5, 5), padding=2),
    "batch8_resnet_64_56": Layer(8, 64, (56, 56), 64, (3, 3), padding=1),
    "lenet_b64_1_6_28": Layer(64, 1, (28, 28), 6, (5, 5), padding=2),
}

# Those whose gradients do not take seconds.
GRADIENTS = {name: Gradients(layer) for name, layer in LAYERS.items() if layer.multiply_adds <= 3e9}

TRANSPOSED = {
    "k4s2_256_128_14": Transposed(1, 256, (14, 14), 128, (4, 4), stride=2, padding=1),
    "k4s2_128_64_28": Transposed(1, 128, (28, 28), 64, (4, 4), stride=2, padding=1),
    "k4s2_64_64_64": Transposed(1, 64, (64, 64), 64, (4, 4), stride=2, padding=1),
    "k2s2_256_128_14": Transposed(1, 256, (14, 14), 128, (2, 2), stride=2),
    "k2s2_128_64_28": Transposed(1, 128, (28, 28), 64, (2, 2), stride=2),
    "k2s2_64_64_64": Transposed(1, 64, (64, 64), 64, (2, 2), stride=2),
    "1d_k16s8_256_128": Transposed(1, 256, (1000,), 128, (16,), stride=8, padding=4),
    "3d_k2s2_64_32_16": Transposed(1, 64, (16, 16, 16), 32, (2, 2, 2), stride=2),
    "3d_k4s2_32_16_16": Transposed(1, 32, (16, 16, 16), 16, (4, 4, 4), stride=2, padding=1),
}

SIGNALS = {
    "1d_1e6_k101": Signal((1_000_000,), (101,)),
    "1d_1e5_k1001": Signal((100_000,), (1001,)),
    "1d_1e6_k10001": Signal((1_000_000,), (10_001,)),
    "2d_1024_k3": Signal((1024, 1024), (3, 3)),
    "2d_2048_k7": Signal((2048, 2048), (7, 7)),
    "2d_1024_k15": Signal((1024, 1024), (15, 15)),
    "2d_1024_k31": Signal((1024, 1024), (31, 31)),
    "2d_2048_k129": Signal((2048, 2048), (129, 129)),
    "3d_128_k3": Signal((128, 128, 128), (3, 3, 3)),
    "3d_128_k7": Signal((128, 128, 128), (7, 7, 7)),
    "3d_192_k15": Signal((192, 192, 192), (15, 15, 15)),
}
