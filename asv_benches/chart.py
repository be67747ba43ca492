"""A chart of a comparison: for each problem, how many times as fast as each of its peers ndconv is."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # files only: no display is needed
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

TITLES = {"layers": "convolution layers", "signals": "correlations of arrays", "dropins": "SciPy's functions"}
COLOURS = {
    "pytorch": "tab:orange",
    "pytorch-last": "tab:red",
    "pytorch-pack": "tab:pink",
    "onnxruntime": "tab:blue",
    "openvino": "tab:purple",
    "jax": "tab:green",
    "scipy": "black",
    "scipy-fft": "tab:gray",
    "scipy-oa": "tab:brown",
    "scipy-lfilter": "slategray",
    "ndimage": "tab:olive",
    "opencv": "tab:cyan",
}
ROW_HEIGHT = 0.24  # inches
MOST = 100.0  # ratios beyond are drawn at the edge


def draw(results: dict, path: Path) -> None:
    """Draw the rows of a comparison, as its JSON file holds them, into a file."""
    kinds = [kind for kind in TITLES if results.get(kind)]
    heights = [2 + len(results[kind]) for kind in kinds]
    figure, panels = plt.subplots(
        len(kinds),
        figsize=(10, 1 + ROW_HEIGHT * sum(heights)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for kind, panel in zip(kinds, panels[:, 0], strict=True):
        draw_ratios(panel, results[kind])
        panel.set_title(f"ndconv is ... times as fast: {TITLES[kind]}, {results['dtype']}", loc="left")
    where = results["environment"]
    figure.supxlabel(f"{where['cpu']}, {where['workers']} threads", fontsize="small", color="gray")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_ratios(panel: Axes, rows: list[dict]) -> None:
    """Draw a line of dots for each problem, one dot a peer; the fastest peer has the large one."""
    for peer, colour in COLOURS.items():
        lines = [y for y, row in enumerate(rows) if peer in row["ratios"]]
        ratios = [min(rows[y]["ratios"][peer], MOST) for y in lines]
        sizes = [70 if rows[y]["fastest"] == peer else 14 for y in lines]
        if lines:
            panel.scatter(ratios, lines, sizes, colour, label=peer, zorder=3)
    panel.axvline(1, color="black", linewidth=1)
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.grid(axis="x", which="both", alpha=0.3)
    panel.set_yticks(range(len(rows)), [row["name"] for row in rows], fontsize="small")
    panel.set_ylim(len(rows) - 0.5, -0.5)
    legend = panel.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, title="than (large: fastest peer)")
    for handle in legend.legend_handles:
        handle.set_sizes([40])
