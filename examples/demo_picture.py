"""The picture of the demonstration: inputs, filters, outputs, and what the padding modes do at the border."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

INK, RED, BLUE, GOLD = "#1b263b", "#c1121f", "#1d6fa5", "#c58b00"
MODES = {"zeros": ("constant", RED), "reflect": ("reflect", BLUE), "replicate": ("edge", GOLD)}
CORNER, MARGIN = 48, 16  # pixels of the photograph's lower left corner, and of padding around it


def draw(cases: list, path: Path) -> Path:
    """Draw the results of all cases into one file, and return its path."""
    results = {(case.layer, case.options["padding_mode"]): case for case in cases}
    figure = Figure(figsize=(18, 14), layout="constrained", facecolor="white")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)
    rows = figure.subfigures(3, 1, height_ratios=[3.3, 5.1, 4.5])
    draw_bank(rows[0], results["oriented", "reflect"])
    left, right = rows[1].subfigures(1, 2, width_ratios=[2.9, 1])
    draw_borders(left, results)
    draw_strides(right, results)
    left, right = rows[2].subfigures(1, 2, width_ratios=[1.25, 1])
    draw_ecg(left, results)
    draw_mri(right, results["gradients", "replicate"])
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    return path


def draw_bank(figure, case) -> None:
    """Draw the photograph, the filters of the layer, and its output channels in the same order."""
    left, middle, right = figure.subfigures(1, 3, width_ratios=[3.2, 3.1, 6.6])
    heading(left, "A photograph, 3 channels of bytes")
    axes = left.subplots()
    picture(axes, case.x)
    corner = Rectangle((0, len(case.x) - CORNER), CORNER, CORNER, fill=False, edgecolor=RED, linewidth=2)
    axes.add_patch(corner)
    heading(middle, "8 filters of 3 x 9 x 9")
    for axes, weights in zip(middle.subplots(2, 4).flat, case.weight, strict=True):
        picture(axes, 0.5 + 0.5 * np.moveaxis(weights, 0, -1) / np.abs(weights).max())
    heading(right, "8 output channels: horizontal edges, four directions of light, three of colour")
    for axes, channel in zip(right.subplots(2, 4).flat, np.moveaxis(case.y, -1, 0), strict=True):
        signed(axes, channel)


def draw_borders(figure, results: dict) -> None:
    """Draw what a filter sees beyond the corner under each padding mode, and what it answers there."""
    heading(figure, "The marked corner: what filters see beyond the border, and what one of them, dilated, answers")
    axes = figure.subplot_mosaic(
        [[*MODES, "along"], *[[f"{mode} answer" for mode in MODES] + ["along"]]], width_ratios=[1, 1, 1, 1.45]
    )
    answers = {mode: results["oriented, dilation 4", mode].y[-CORNER:, :CORNER, 1] for mode in MODES}
    limit = max(np.abs(answer).max() for answer in answers.values())
    for mode, (numpy_mode, colour) in MODES.items():
        corner = results["oriented", mode].x[-CORNER:, :CORNER]
        picture(axes[mode], np.pad(corner, [(0, MARGIN), (MARGIN, 0), (0, 0)], mode=numpy_mode), mode)
        axes[mode].axvline(MARGIN - 0.5, color=RED, linewidth=1.2)
        axes[mode].axhline(CORNER - 0.5, color=RED, linewidth=1.2)
        signed(axes[f"{mode} answer"], answers[mode], limit=limit)
        axes["along"].plot(answers[mode][CORNER // 2], color=colour, linewidth=1.8, label=mode)
    axes["along"].set_title("the answer along the middle row", fontsize=11, color=INK)
    axes["along"].set_xlabel("pixels from the border")
    axes["along"].legend(frameon=False)
    axes["along"].spines[["top", "right"]].set_visible(False)


def draw_strides(figure, results: dict) -> None:
    """Draw one channel of the same filters with a stride, and with a dilation."""
    heading(figure, "The same filters, moved otherwise")
    above, below = figure.subplots(2, 1)
    for axes, move, words in ((above, "stride 2", "half the size"), (below, "dilation 4", "33 pixels wide")):
        channel = results[f"oriented, {move}", "reflect"].y[..., 2]
        signed(axes, channel, f"{move}: {words}, {channel.shape[0]} x {channel.shape[1]}")


def draw_ecg(figure, results: dict) -> None:
    """Draw the ECG with its causal mean under two modes, and its wavelet channels."""
    heading(figure, "ECG: a causal dilated layer, and a bank of 32 wavelets")
    above, below = figure.subplots(2, 1, sharex=True)
    causal = {mode: results["causal, dilation 16", mode] for mode in ("zeros", "replicate")}
    above.plot(causal["zeros"].x[0], color=INK, linewidth=0.9, label="ECG")
    for mode, case in causal.items():
        above.plot(case.y[0], color=MODES[mode][1], linewidth=1.6, label=f"mean of the past, {mode}")
    above.legend(frameon=False, fontsize=9, ncols=3, loc="upper right")
    above.set_ylim(None, 330)
    above.spines[["top", "right"]].set_visible(False)
    wavelets = results["wavelets", "reflect"].y
    limit = np.percentile(np.abs(wavelets), 99)
    below.imshow(wavelets, aspect="auto", cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower")
    below.set_ylabel("channel (fine to coarse)")
    below.set_xlabel("sample")


def draw_mri(figure, case) -> None:
    """Draw slices of the volume, smoothed, and the length of its gradient."""
    heading(figure, "MRI: one 3-D layer, four channels")
    smooth, *gradient = case.y
    volumes = {"input": case.x[0], "smoothed": smooth, "length of the gradient": np.linalg.norm(gradient, axis=0)}
    grid = figure.subplots(2, 3)
    for column, (name, volume) in enumerate(volumes.items()):
        colours = "magma" if column == 2 else "gray"
        for row, (axis, index) in enumerate(((2, 13), (0, 16))):
            plane = np.asarray(volume).take(index, axis).T
            bright = np.percentile(plane, 99.7)
            picture(grid[row, column], plane, name if row == 0 else None, cmap=colours, vmax=bright, origin="lower")


def heading(figure, text: str) -> None:
    """Put a title over a part of the picture."""
    figure.suptitle(text, fontsize=13, fontweight="bold", color=INK)


def picture(axes, image: np.ndarray, title: str | None = None, **options) -> None:
    """Show an image without ticks."""
    axes.imshow(image, **options)
    axes.set_xticks([])
    axes.set_yticks([])
    if title:
        axes.set_title(title, fontsize=11, color=INK)


def signed(axes, channel: np.ndarray, title: str | None = None, limit: float | None = None) -> None:
    """Show a channel in two colours: red above zero, blue below."""
    limit = limit or np.percentile(np.abs(channel), 99.5)
    picture(axes, channel, title, cmap="RdBu_r", vmin=-limit, vmax=limit)
