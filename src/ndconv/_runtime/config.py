"""What this build is and what it runs on: `show_config`."""

from typing import TypedDict

from .. import _core
from .._core import machine
from .._threads import tasks
from .workers import default_workers


class Config(TypedDict):
    """A configuration."""

    version: str
    instruction_set: str
    instruction_sets_built: list[str]
    compiler: str
    threading: str
    openmp: str
    workers: int


def show_config(mode: str = "stdout") -> Config | None:
    """Print the version, the instruction set in use, those built, the compiler, OpenMP and the default workers.

    Parameters
    ----------
    mode : {"stdout", "dicts"}, optional
        Whether to print, or to return a dict.

    Returns
    -------
    dict or None
        The configuration, if asked for.

    Raises
    ------
    ValueError
        If `mode` is another.

    Notes
    -----
    The environment variable ``NDCONV_ISA``, read at import, forces an instruction-set level: "baseline", "x86-64-v3"
    or "x86-64-v4". ``NDCONV_THREADING`` likewise chooses what runs tasks: "crew" or "openmp".

    Examples
    --------
    >>> import ndconv
    >>> sorted(ndconv.show_config(mode="dicts"))
    ['compiler', 'instruction_set', 'instruction_sets_built', 'openmp', 'threading', 'version', 'workers']
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"mode must be 'stdout' or 'dicts', got {mode!r}")
    config: Config = {
        "version": machine.version,
        "instruction_set": _core.level(),
        "instruction_sets_built": list(machine.built_levels),
        "compiler": machine.compiler,
        "threading": tasks.engine(),
        "openmp": f"specification {tasks.openmp_version}" if tasks.openmp_version else "not built",
        "workers": default_workers(),
    }
    if mode == "dicts":
        return config
    for name, value in config.items():
        print(f"{name.replace('_', ' '):<24}{', '.join(value) if isinstance(value, list) else value}")
    return None
