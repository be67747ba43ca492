"""Colours and small drawing helpers that the figures share."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

INPUT, INPUT_PALE = "#2f6aa3", "#cfdff0"
OUTSIDE, OUTSIDE_PALE = "#d9742b", "#f8dcc6"
OUTPUT, OUTPUT_PALE = "#2e7d5b", "#cfe8db"
INK, FAINT, PAPER = "#26303a", "#9aa5b1", "#f3f5f7"

Point = tuple[float, float]


def blank(ax: Axes, width: Point, height: Point, aspect: str = "equal") -> None:
    """Take away frame and ticks, and set the range of coordinates."""
    ax.set_aspect(aspect)
    ax.axis("off")
    ax.set_xlim(*width)
    ax.set_ylim(*height)


def write(ax: Axes, x: float, y: float, text: str, colour: str = INK, size: float = 9, at: str = "cc", **more) -> None:
    """Write text whose anchor `at` is named by two letters: left, centre or right; top, centre or bottom."""
    horizontal = {"l": "left", "c": "center", "r": "right"}[at[0]]
    vertical = {"t": "top", "c": "center", "b": "bottom"}[at[1]]
    ax.text(x, y, text, ha=horizontal, va=vertical, color=colour, fontsize=size, linespacing=1.4, **more)


def title(ax: Axes, x: float, y: float, text: str) -> None:
    """Write the title of a panel."""
    write(ax, x, y, text, size=10.5, fontweight="bold")


def cell(
    ax: Axes, x: float, y: float, text: str = "", face: str = "white", edge: str = FAINT, ink: str = INK, **more
) -> None:
    """Draw a cell of a grid with its lower left corner at (x, y)."""
    width, height, line = (more.pop(name, default) for name, default in [("width", 1), ("height", 1), ("line", 0.8)])
    ax.add_patch(Rectangle((x, y), width, height, facecolor=face, edgecolor=edge, linewidth=line))
    write(ax, x + width / 2, y + height / 2, text, ink, **more)


def sample(ax: Axes, x: float, y: float, text: str = "", inside: bool = True, **more) -> None:
    """Draw a cell that holds a sample of the input, or one of the padding."""
    colours = (INPUT_PALE, INPUT, INK) if inside else (OUTSIDE_PALE, OUTSIDE, OUTSIDE)
    cell(ax, x, y, text, *colours, **more)


def output(ax: Axes, x: float, y: float, text: str = "", **more) -> None:
    """Draw a cell that holds an output."""
    cell(ax, x, y, text, OUTPUT_PALE, OUTPUT, **more)


def frame(ax: Axes, x: float, y: float, width: float, height: float, colour: str, line: float = 2.2) -> None:
    """Draw a rectangle's outline."""
    ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=colour, linewidth=line, zorder=3))


def box(ax: Axes, corner: Point, size: Point, heading: str, text: str = "", face: str = PAPER) -> None:
    """Draw a rounded box with a heading and small lines of text below it."""
    style = "round,pad=0,rounding_size=0.12"
    ax.add_patch(FancyBboxPatch(corner, *size, boxstyle=style, facecolor=face, edgecolor=FAINT, linewidth=1.1))
    (x, y), (width, height) = corner, size
    if text:
        title(ax, x + width / 2, y + height - 0.28, heading)
        write(ax, x + width / 2, y + height - 0.52, text, size=8, at="ct")
    else:
        write(ax, x + width / 2, y + height / 2, heading, size=8.5, fontweight="bold")


def arrow(ax: Axes, start: Point, end: Point, colour: str = INK, line: float = 1.3, bend: float = 0.0) -> None:
    """Draw an arrow."""
    style = {"arrowstyle": "-|>", "connectionstyle": f"arc3,rad={bend}", "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch(start, end, mutation_scale=4 + 6 * line, color=colour, linewidth=line, **style))
