"""Geometry: every check of a call's shapes and all arithmetic on them, in one frozen object."""

import math
from dataclasses import dataclass, replace
from typing import Any

from .arguments import LARGEST, Pair, integer, padding_modes, padding_pairs, per_axis
from .modes import PaddingMode

Shape = tuple[int, ...]

# A step as good as any longer one: beyond what an axis has.
LONG_STEP = 1 << 31


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a convolution computes, apart from its numbers.

    Padding pairs may be negative here: those samples are left out, and padding modes still see them.
    """

    channels_in: int
    channels_out: int
    groups: int
    in_shape: Shape
    kernel: Shape
    stride: Shape
    dilation: Shape
    padding: tuple[Pair, ...]
    modes: tuple[PaddingMode, ...]
    out_shape: Shape

    @property
    def ndim(self) -> int:
        """The number of spatial axes."""
        return len(self.kernel)

    @property
    def taps(self) -> int:
        """The samples of the kernel."""
        return math.prod(self.kernel)

    @property
    def weights(self) -> int:
        """The number of weights."""
        return self.channels_out * (self.channels_in // self.groups) * self.taps

    @property
    def multiply_adds(self) -> int:
        """The products of one item of a batch, padding included."""
        return self.weights * math.prod(self.out_shape)

    @property
    def is_filled(self) -> bool:
        """Whether samples that the padding mode "zeros" fills in stand in any window."""
        return any(mode.name == "zeros" and max(pair) > 0 for mode, pair in zip(self.modes, self.padding, strict=True))

    def y_shape(self, batch: Shape, channels_last: bool = False) -> Shape:
        """Return the shape of a result."""
        if channels_last:
            return (*batch, *self.out_shape, self.channels_out)
        return (*batch, self.channels_out, *self.out_shape)


def make_geometry(
    *,
    channels_in: int,
    channels_out: int,
    groups: int,
    in_shape: Shape,
    kernel: Shape,
    stride: Shape,
    dilation: Shape,
    padding: tuple[Pair, ...],
    modes: tuple[PaddingMode, ...],
    names: tuple[str, str] = ("x", "weight"),
    may_be_empty: bool = False,
) -> Geometry:
    """Return the geometry of normalised arguments, or raise for what they cannot do together.

    An axis of no samples has no outputs where it `may_be_empty`, and else must be padded to the kernel's reach.
    """
    x_name, kernel_name = names
    out_shape, strides, dilations = [], [], []
    for size, taps, step, spread, (before, after), mode in zip(
        in_shape, kernel, stride, dilation, padding, modes, strict=True
    ):
        if taps < 1:
            raise ValueError(f"{kernel_name} must have at least one tap per axis, got shape {kernel}")
        padded = size + before + after
        reach = spread * (taps - 1) + 1
        if padded > LARGEST or reach > LARGEST:
            raise ValueError(
                f"padding, dilation and shapes must stay below 2**63 samples per axis, got padding {(before, after)} "
                f"of {size} samples and dilation {spread} of {taps} taps"
            )
        outputs = max((padded - reach) // step + 1, 0)
        if reach > padded and not (may_be_empty and size == 0):
            raise ValueError(
                f"{kernel_name} must not be larger than the padded {x_name}: its shape {kernel} with dilation "
                f"{dilation} spans {reach} samples, but {x_name} has {size} and padding {(before, after)} on that axis"
            )
        if size == 0 and outputs and mode.name != "zeros":
            raise ValueError(f"padding_mode {mode.name!r} has nothing to read: {x_name} has an axis of size 0")
        out_shape.append(outputs)
        # Steps that lead out of x and its padding need not be longer, so that offsets are no larger than sizes.
        strides.append(min(step, max(padded, LONG_STEP)))
        dilations.append(spread if taps > 1 else 1)
    geometry = Geometry(
        channels_in, channels_out, groups, in_shape, kernel, tuple(strides), tuple(dilations), padding, modes,
        tuple(out_shape),
    )  # fmt: skip
    for what, count in (("output", channels_out * math.prod(out_shape)), (kernel_name, geometry.weights)):
        if 16 * count > LARGEST:
            raise ValueError(f"the {what} would have {count} samples, more than 64-bit sizes can count")
    return geometry


def single_channel_geometry(
    in_shape: Shape,
    kernel: Shape,
    padding: tuple[Pair, ...],
    modes: tuple[PaddingMode, ...],
    *,
    stride: Shape | None = None,
    dilation: Shape | None = None,
    names: tuple[str, str],
    may_be_empty: bool = False,
) -> Geometry:
    """Return the geometry of a kernel that slides over one channel."""
    ones = (1,) * len(kernel)
    return make_geometry(
        channels_in=1, channels_out=1, groups=1, in_shape=in_shape, kernel=kernel, stride=stride or ones,
        dilation=dilation or ones, padding=padding, modes=modes, names=names, may_be_empty=may_be_empty,
    )  # fmt: skip


def layer_geometry(
    x_shape: Shape,
    weight_shape: Shape,
    stride: Any,
    padding: Any,
    padding_mode: Any,
    dilation: Any,
    groups: Any,
) -> Geometry:
    """Return the geometry of a layer, from x's shape (N, C, *S) or (C, *S) and raw arguments."""
    if len(weight_shape) < 3:
        raise ValueError(
            f"weight must have shape (C_out, C_in // groups, *kernel) with at least one kernel axis, got {weight_shape}"
        )
    ndim = len(weight_shape) - 2
    if len(x_shape) not in (ndim + 1, ndim + 2):
        raise ValueError(
            f"x must have {ndim + 1} axes, or {ndim + 2} with a batch, for a weight of shape {weight_shape}; "
            f"got shape {x_shape}"
        )
    groups = integer(groups, "groups", minimum=1)
    channels_in, channels_out = x_shape[-ndim - 1], weight_shape[0]
    if channels_in % groups or channels_out % groups:
        raise ValueError(f"groups must divide the channels, got {groups} for {channels_in} in and {channels_out} out")
    if channels_in != weight_shape[1] * groups:
        raise ValueError(
            f"x must have {weight_shape[1] * groups} channels (weight's {weight_shape[1]} times groups {groups}), "
            f"got {channels_in}"
        )
    stride = per_axis(stride, ndim, "stride", minimum=1)
    dilation = per_axis(dilation, ndim, "dilation", minimum=1)
    in_shape, kernel = tuple(x_shape[-ndim:]), tuple(weight_shape[2:])
    return make_geometry(
        channels_in=channels_in,
        channels_out=channels_out,
        groups=groups,
        in_shape=in_shape,
        kernel=kernel,
        stride=stride,
        dilation=dilation,
        padding=padding_pairs(padding, in_shape, kernel, stride, dilation),
        modes=padding_modes(padding_mode, ndim),
    )


def batch_of(shape: Shape, ndim: int) -> Shape:
    """Return the batch of (*batch, channels, *spatial) with so many spatial axes."""
    return shape[: len(shape) - ndim - 1]


def channels_first(array_ndim: int, ndim: int) -> tuple[int, ...]:
    """Return the axes of (*batch, *spatial, channels) in the order (*batch, channels, *spatial)."""
    batch = array_ndim - ndim - 1
    return (*range(batch), array_ndim - 1, *range(batch, array_ndim - 1))


def reordered(geometry: Geometry, order: list[int]) -> Geometry:
    """Return the geometry with its spatial axes in another order."""
    if order == list(range(geometry.ndim)):
        return geometry
    fields = ("in_shape", "kernel", "stride", "dilation", "padding", "modes", "out_shape")
    fields_in_order: dict[str, Any] = {name: tuple(getattr(geometry, name)[i] for i in order) for name in fields}
    return replace(geometry, **fields_in_order)
