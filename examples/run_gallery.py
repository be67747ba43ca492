"""Run every script of the gallery, one after the other, and write its pictures to output/.

A script that fails ends the run with an error.
"""

import runpy
import time
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt

HERE = Path(__file__).resolve().parent
OUTPUT = HERE.parent / "output"


def main() -> None:
    """Run the scripts, and say how long each took and where its pictures are."""
    OUTPUT.mkdir(exist_ok=True)
    plt.show = lambda: None  # figures are kept until they are saved
    for script in sorted((HERE / "gallery").glob("plot_*.py")):
        print(f"== {script.stem}", flush=True)
        start = time.perf_counter()
        with plt.style.context(HERE / "gallery.mplstyle"):
            runpy.run_path(str(script), run_name="__main__")
            pictures = [OUTPUT / f"{script.stem}_{number}.png" for number in plt.get_fignums()]
            for number, picture in zip(plt.get_fignums(), pictures, strict=True):
                plt.figure(number).savefig(picture, dpi=200)
        plt.close("all")
        print(f"{time.perf_counter() - start:.1f} s; {', '.join(path.name for path in pictures)}\n", flush=True)


if __name__ == "__main__":
    main()
