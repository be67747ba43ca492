"""The gallery's look and order."""

from pathlib import Path

import matplotlib.pyplot as plt

STYLE = Path(__file__).resolve().parents[2] / "examples" / "gallery.mplstyle"
READING_ORDER = ["layer_in_numbers", "lecun", "vgg", "mobilenet", "wavenet", "stream", "deeplab", "mri", "karate"]


def use_style(gallery_conf: dict, script: str) -> None:
    """Set matplotlib's parameters; sphinx-gallery calls this after it has reset them."""
    plt.style.use(STYLE)


class ReadingOrder:
    """Sorts examples as they are best read, and those that are not named here after them."""

    def __init__(self, folder: str) -> None:
        """Take the folder that sphinx-gallery passes."""

    def __call__(self, script: str) -> tuple[int, str]:
        """Return a script's place."""
        places = [place for place, name in enumerate(READING_ORDER) if name in script]
        return (*places, len(READING_ORDER))[0], script
