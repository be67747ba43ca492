"""The compiled core: which of its builds this machine runs."""

import importlib
import os
from functools import cache
from types import ModuleType

from . import machine


def supported_levels() -> tuple[str, ...]:
    """Return the instruction-set levels that were built and that this processor has, best last."""
    return tuple(level for level in machine.built_levels if machine.has_level(level))


def _choose_level() -> str:
    forced = os.environ.get("NDCONV_ISA")
    if not forced:
        return supported_levels()[-1]
    if forced not in machine.built_levels:
        raise ImportError(f"NDCONV_ISA={forced!r}: expected one of the built levels {', '.join(machine.built_levels)}")
    if forced not in supported_levels():
        raise ImportError(f"NDCONV_ISA={forced!r}: this processor has only {', '.join(supported_levels())}")
    return forced


_level = _choose_level()


def level() -> str:
    """Return the instruction-set level in use."""
    return _level


@cache
def load(compute_type: str) -> ModuleType:
    """Return the core for a compute type: "float32", "float64", "uint32" or "uint64"."""
    return importlib.import_module(f"{__name__}.{compute_type}_{_level.replace('-', '_')}")
