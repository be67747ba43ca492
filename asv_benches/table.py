"""The table of the drop-ins' speed that the documentation includes."""

from pathlib import Path
from statistics import geometric_mean

from benchmarks.calls import CHANNELS, DROP_INS, DTYPES, LAGS, SIZES

PART_OF_A_PAGE = """\
.. csv-table:: How many times as fast as SciPy's function: float32 / float64
   :header: "", {sizes}
   :widths: 28, {widths}

{rows}

Measured in turns with SciPy {scipy}, with {threads} of an {cpu}.
A number below 1 means that SciPy is faster. In geometric mean, the functions of :mod:`ndconv.ndimage` are {ndimage}
times as fast, those of :mod:`ndconv.signal` {signal} times. A filter of 64 taps along 2000 channels of 10,000 samples
is {channels} times as fast as by the faster of SciPy's ``oaconvolve`` and ``lfilter``. 100 lags of two signals of
1,000,000 samples, by :func:`ndconv.correlate_nd`, are {lags} times as fast as by SciPy's ``correlate``, which computes
all.
"""


def write_table(results: dict, path: Path) -> None:
    """Write the rows of a comparison of all drop-ins, as its JSON file holds them."""
    ratios = {row["name"]: row["ratios"][row["fastest"]] for row in results["dropins"]}

    def both(title: str) -> str:
        """Return a problem's ratios in both dtypes; nothing if it was not measured."""
        found = [ratios[name] for name in (f"{title} {dtype}" for dtype in DTYPES) if name in ratios]
        return " / ".join(f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}" for ratio in found)

    def mean(module: str) -> str:
        return f"{geometric_mean(ratios[name] for name in DROP_INS if name.startswith(module)):.1f}"

    def row(function: str) -> str:
        name, _, width = function.rstrip(")").partition("(")
        title = f"`~ndconv.{name}`" + (f", size {width}" if width else "")
        return ", ".join([f'   "{title}"', *(f'"{both(f"{function} {size}")}"' for size in SIZES)])

    functions = dict.fromkeys(name.split()[0] for name in DROP_INS)
    where = results["environment"]
    path.write_text(
        PART_OF_A_PAGE.format(
            sizes=", ".join(f'"{size}"' for size in SIZES),
            widths=", ".join(["14"] * len(SIZES)),
            rows="\n".join(map(row, functions)),
            scipy=where["versions"]["scipy"],
            threads="one thread" if where["workers"] == 1 else f"{where['workers']} threads",
            cpu=where["cpu"],
            ndimage=mean("ndimage"),
            signal=mean("signal"),
            channels=both(next(iter(CHANNELS)).rpartition(" ")[0]),
            lags=both(next(iter(LAGS)).rpartition(" ")[0]),
        )
    )
