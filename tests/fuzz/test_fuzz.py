"""A short run of the fuzzer, the same calls each time; `make fuzz` runs it for as long as one likes."""

import pytest
from hypothesis import settings

import ndconv
import ndconv.ndimage
import ndconv.signal
from fuzz.drawers import DRAWERS
from fuzz.fuzzer import Fuzzer


@pytest.mark.parametrize("function", DRAWERS)
def test_drawn_calls(function):
    fuzzer = Fuzzer()
    fuzzer.explore(function, number=0, examples=settings.default.max_examples // 10)
    assert not fuzzer.finds, "\n".join(f"{kind}\n{text}" for kind, text in fuzzer.finds.items())
    assert fuzzer.calls[function] > 0


def test_every_public_function_is_drawn():
    """But for what has no answer: settings, and types of results."""
    public = {name for name in ndconv.__all__ if callable(getattr(ndconv, name))}
    types = {"CacheInfo", "ConvGradients", "LayerCost", "LayerStream", "ReceptiveField"}
    settings = {"cache_info", "clear_caches", "set_cache_limit", "set_workers", "show_config"}
    settings |= {"patch_scipy", "patched", "unpatch_scipy"}
    drop_ins = {f"{m.__name__.removeprefix('ndconv.')}.{n}" for m in (ndconv.ndimage, ndconv.signal) for n in m.__all__}
    methods = {name for name in DRAWERS if name.startswith("ConvLayer.")}
    assert set(DRAWERS) == (public - types - settings) | drop_ins | methods
