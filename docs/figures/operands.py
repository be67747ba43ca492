"""What a tap of each micro-kernel multiplies: numbers down the side, vectors along the top, sums where they meet."""

import matplotlib.pyplot as plt
from style import INPUT, INPUT_PALE, OUTPUT, OUTPUT_PALE, OUTSIDE, OUTSIDE_PALE, blank, cell, frame, title, write

LANES = 4
SAMPLES, WEIGHTS = (INPUT_PALE, INPUT), (OUTSIDE_PALE, OUTSIDE)


def cells(ax, corner, shape, colours, vectors=True, ink=""):
    """Draw rows of cells down from a corner; vectors of them have a frame of their own."""
    (x, y), (rows, columns) = corner, shape
    for i in range(rows):
        for j in range(columns):
            cell(ax, x + j, y - i - 1, ink, colours[0], "white", size=7, width=1, height=1)
        for j in range(0, columns, LANES if vectors else 1):
            frame(ax, x + j, y - i - 1, LANES if vectors else 1, 1, colours[1], line=1.0)


def draw(down, across, side, top, heading):
    """Draw the operands: `side` and `top` are (colours, what it is, what runs along it)."""
    _, ax = plt.subplots(figsize=(7.2, 2.9))
    columns = across * LANES
    blank(ax, (-11, columns + 11), (-down - 2.2, 4.6))
    title(ax, columns / 2, 4.1, heading)
    cells(ax, (0, 2), (1, columns), top[0])
    write(ax, columns / 2, 3.05, top[2], size=8.5)
    write(ax, columns + 0.5, 1.5, top[1], top[0][1], 8.5, at="lc")
    cells(ax, (-2.5, 0), (down, 1), side[0], vectors=False)
    write(ax, -2, 0.45, side[2], size=8.5)
    write(ax, -3.1, -down / 2, side[1], side[0][1], 8.5, at="rc")
    cells(ax, (0, 0), (down, columns), (OUTPUT_PALE, OUTPUT))
    sums = "sums, in registers:\neach vector of them\na multiply-add"
    write(ax, columns + 0.5, -down / 2, sums, OUTPUT, 8.5, at="lc")
    note = f"a frame is a vector, here of {LANES} lanes; a number alone is broadcast"
    write(ax, columns / 2, -down - 1.2, note, size=8)
    plt.show()


def tile():
    """Draw pixels by vectors of output channels."""
    draw(6, 2, (SAMPLES, "x[tap.x + pixel],\none sample of each", "pixels"),
         (WEIGHTS, "weights[tap.weight],\n[channel][lane]", "output channels"), "tile")  # fmt: skip


def bank():
    """Draw output channels by vectors of pixels."""
    draw(4, 3, (WEIGHTS, "one weight\nof each", "outputs"),
         (SAMPLES, "x[channel][offset],\nthe last vector\nmay overlap", "pixels of a line"), "bank")  # fmt: skip


def rows():
    """Draw output rows by vectors of pixels."""
    draw(4, 3, (WEIGHTS, "taps p, p - 1, p - 2, ...\nof a chain", "output rows"),
         (SAMPLES, "row p of x under\nthe chain, loaded once", "pixels of a row"), "rows")  # fmt: skip


def depthwise():
    """Draw pixels by one vector of channels, whose operands meet lane by lane."""
    _, ax = plt.subplots(figsize=(7.2, 2.9))
    blank(ax, (-11, 22), (-7.4, 4.6))
    title(ax, 5.5, 4.1, "depthwise")
    cells(ax, (7, 2.4), (1, LANES), WEIGHTS)
    write(ax, 11.5, 1.9, "weights of the tap,\none for each channel", OUTSIDE, 8.5, at="lc")
    cells(ax, (0, 0), (6, LANES), SAMPLES)
    write(ax, -0.6, -3, "x[pixel + tap],\nall channels of it", INPUT, 8.5, at="rc")
    write(ax, 2, 0.5, "channels", size=8.5)
    write(ax, 5.5, -3, "→", size=12)
    cells(ax, (7, 0), (6, LANES), (OUTPUT_PALE, OUTPUT))
    write(ax, 9, 0.5, "channels", size=8.5)
    write(ax, 11.5, -3, "sums of the pixels:\nlane by lane,\nnothing is broadcast", OUTPUT, 8.5, at="lc")
    write(ax, 5.5, -7, f"a frame is a vector, here of {LANES} lanes", size=8)
    plt.show()


def gradient():
    """Draw pairs of an input channel and a tap by vectors of output channels."""
    draw(6, 2, (SAMPLES, "x[pair + output],\none sample of each", "pairs"),
         (SAMPLES, "grads[output],\n[lane]", "output channels"), "gradient")  # fmt: skip


def winograd():
    """Draw tiles by vectors of output channels, at one point."""
    draw(6, 2, (SAMPLES, "values[point][tile],\none channel of each", "tiles"),
         (WEIGHTS, "values of weights\nat that point", "output channels"), "Winograd's products")  # fmt: skip
