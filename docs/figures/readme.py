"""Write the README's picture: `python docs/figures/readme.py` draws the edge detector into readme.svg beside it."""

from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update(
    {
        "figure.constrained_layout.use": True,
        "font.family": ["DejaVu Sans", "sans-serif"],
        "svg.fonttype": "none",  # letters stay letters, and the file small
        "svg.hashsalt": "ndconv",
    }
)

import edge_detector  # noqa: E402  the settings above come first

target = Path(__file__).with_name("readme.svg")
edge_detector.fig.savefig(target, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
target.write_text("\n".join(line.rstrip() for line in target.read_text().splitlines()) + "\n")
