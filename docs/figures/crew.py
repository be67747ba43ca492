"""A call beside a busy process: a team waits for its last thread, a crew for its last task."""

import matplotlib.pyplot as plt
from style import FAINT, INK, INPUT, INPUT_PALE, OUTPUT, OUTPUT_PALE, OUTSIDE_PALE, blank, cell, title, write

LANE, LEFT, RIGHT = 0.72, 1.6, 13.0
SLICE = 8.0  # of the busy process, before the scheduler takes its CPU from it

fig, axes = plt.subplots(1, 2, figsize=(10.4, 2.9))


def lanes(ax, heading: str) -> None:
    """Draw the time lines of two CPUs, the second one taken by another process."""
    blank(ax, (-0.2, RIGHT + 0.4), (-1.5, 3.1), aspect="auto")
    title(ax, (LEFT + RIGHT) / 2, 2.85, heading)
    for number, y in enumerate((1.4, 0.3)):
        write(ax, LEFT - 0.25, y + LANE / 2, f"CPU {number}", at="rc")
        ax.plot([LEFT, RIGHT], [y, y], color=FAINT, linewidth=0.8)
    cell(ax, LEFT, 0.3, "another process", OUTSIDE_PALE, "white", width=SLICE, height=LANE, size=8)


def tasks(ax, start: float, y: float, numbers, face: str, edge: str) -> None:
    """Draw tasks, one after the other."""
    for i, number in enumerate(numbers):
        cell(ax, LEFT + start + 0.5 * i, y, str(number), face, edge, width=0.5, height=LANE, size=7.5)


def end(ax, x: float, text: str) -> None:
    """Mark when the call returns."""
    ax.plot([LEFT + x] * 2, [-0.25, 2.3], color=INK, linewidth=1.4, linestyle=(0, (4, 2)))
    write(ax, LEFT + x, -0.4, text, size=8, at="ct")


team, crew = axes
lanes(team, "a team: everybody must have been there")
tasks(team, 0, 1.4, range(8), INPUT_PALE, INPUT)
cell(team, LEFT + 4, 1.4, "waits", "white", FAINT, width=SLICE - 3.6, height=LANE, size=8)
cell(team, LEFT + SLICE, 0.3, "", OUTPUT_PALE, OUTPUT, width=0.4, height=LANE)
end(team, SLICE + 0.4, "returns when the thread of CPU 1 has run,\nthough it found nothing left to do")
lanes(crew, "a crew: the work must be done")
tasks(crew, 0, 1.4, range(8), INPUT_PALE, INPUT)
cell(crew, LEFT + SLICE, 0.3, "", "white", FAINT, width=0.4, height=LANE)
end(crew, 4, "returns when no task is left\nand nobody is inside one")
write(crew, LEFT + SLICE + 0.7, 0.3 + LANE / 2, "the helper finds\nthe job closed", INK, 8, at="lc")
plt.show()
