"""The look of the gallery's pictures, set anew before each example."""

from pathlib import Path

import matplotlib.pyplot as plt

STYLE = Path(__file__).resolve().parents[2] / "examples" / "gallery.mplstyle"


def use_style(gallery_conf: dict, script: str) -> None:
    """Set matplotlib's parameters; sphinx-gallery calls this after it has reset them."""
    plt.style.use(STYLE)
