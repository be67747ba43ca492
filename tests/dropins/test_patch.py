"""SciPy's functions are replaced where others hold them, and are put back."""

import subprocess
import sys
from textwrap import dedent

import pytest

import ndconv
from support import isolated

# Which function stands where has nothing to do with how it computes.
pytestmark = pytest.mark.once

HOLDERS = """
import pickle, sys, types
import numpy as np
import scipy, scipy.ndimage, scipy.signal
from scipy.ndimage import gaussian_filter as blur
other = types.ModuleType("other")
other.held = scipy.signal.fftconvolve
other.__getattr__ = lambda name: 1 / 0
sys.modules["other"] = other
hidden = [blur, scipy.signal.fftconvolve, scipy.ndimage._filters.gaussian_filter]  # a list is no namespace
import ndconv
x = np.random.default_rng(0).random((40, 50))
"""


def test_importing_installs_nothing():
    isolated.run(HOLDERS + "assert ndconv.patched() == () and scipy.ndimage.gaussian_filter is hidden[0]")


def test_every_module_that_holds_one():
    isolated.run(
        HOLDERS
        + dedent("""
        with ndconv.patch_scipy():
            assert blur is scipy.ndimage.gaussian_filter is not hidden[0]
            assert other.held is scipy.signal.fftconvolve is not hidden[1]
            assert scipy.ndimage._filters.gaussian_filter is hidden[2]
            assert len(ndconv.patched()) == 30 and "signal.fftconvolve" in ndconv.patched()
            from scipy.ndimage import sobel as later
            np.testing.assert_array_equal(blur(x, 2), hidden[0](x, 2))
            assert blur.__name__ == "gaussian_filter" and blur.__doc__ == hidden[0].__doc__
            assert ndconv.ndimage.gaussian_filter is not blur
        assert blur is hidden[0] and other.held is hidden[1] and later is scipy.ndimage.sobel
        assert ndconv.patched() == ()
        """)
    )


def test_patches_nest():
    isolated.run(
        HOLDERS
        + dedent("""
        outer = ndconv.patch_scipy("ndimage", min_size=10**6)
        with ndconv.patch_scipy(["signal", "ndimage"], min_size=0):
            assert len(ndconv.patched()) == 30
            stand_in = blur
        assert blur is stand_in and other.held is scipy.signal.fftconvolve and len(ndconv.patched()) == 15
        ndconv.unpatch_scipy()
        ndconv.unpatch_scipy()
        assert blur is hidden[0]
        with outer:
            assert blur is hidden[0]
        """)
    )


def test_which_calls_are_ours():
    isolated.run(
        HOLDERS
        + dedent("""
        from unittest import mock
        import ndconv._patch
        ours = mock.Mock(side_effect=ndconv.ndimage.gaussian_filter)
        with mock.patch.object(ndconv.ndimage, "gaussian_filter", ours), ndconv.patch_scipy(min_size=100):
            blur(np.ones(99), 1)
            assert not ours.called
            blur(np.ones(100), sigma=1)
            blur(input=np.ones((10, 10)), sigma=1)
            blur([1.0] * 100, 1)
            assert ours.call_count == 3
            class Array:
                __module__ = "other"
                size = 1000
                def __array__(self, dtype=None, copy=None):
                    return np.ones(1000)
            assert blur(Array(), 1).shape == (1000,)
            assert ours.call_count == 3
        """)
    )


def test_calls_whose_first_array_is_short():
    isolated.run(
        HOLDERS
        + dedent("""
        from unittest import mock
        import ndconv._patch
        for name, call in {
            "lfilter": lambda x: scipy.signal.lfilter([1.0, 0.5], 1.0, x),
            "upfirdn": lambda x: scipy.signal.upfirdn(h=[1.0, 0.5], x=x),
            "savgol_filter": lambda x: scipy.signal.savgol_filter([x.tolist()], 3, 1),
        }.items():
            ndconv._patch._drop_ins.cache_clear()
            ours = mock.Mock(side_effect=getattr(ndconv.signal, name))
            with mock.patch.object(ndconv.signal, name, ours), ndconv.patch_scipy(min_size=100):
                call(np.ones(99))
                assert not ours.called
                call(np.ones(100))
                assert ours.called
        """)
    )


def test_pickles_name_scipy():
    isolated.run(
        HOLDERS
        + dedent("""
        with ndconv.patch_scipy():
            text = pickle.dumps(blur)
            assert pickle.loads(text) is blur
        assert b"ndconv" not in text and pickle.loads(text) is hidden[0]
        """)
    )


def test_threads_that_patch_at_once():
    isolated.run(
        HOLDERS
        + dedent("""
        from concurrent.futures import ThreadPoolExecutor
        def work(n):
            for _ in range(20):
                with ndconv.patch_scipy(min_size=n):
                    np.testing.assert_array_equal(scipy.ndimage.gaussian_filter(x, 1), expected)
        expected = hidden[0](x, 1)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert blur is hidden[0]
        """)
    )


def test_a_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, ndconv\nfrom scipy.ndimage import sobel\n"
        "print(__name__, sys.argv[1:], sys.path[0], sobel.__name__, len(ndconv.patched()))\n"
    )
    command = [sys.executable, "-m", "ndconv", "--verbose", str(script), "--verbose", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == f"__main__ ['--verbose', '1'] {tmp_path} sobel 30"
    assert "ndconv: scipy.ndimage holds" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"modules": "fft"}, ValueError, "modules must be some of 'ndimage', 'signal', got 'fft'"),
        ({"modules": ("signal", "stats")}, ValueError, "got 'stats'"),
        ({"min_size": -1}, ValueError, "min_size must be at least 0, got -1"),
        ({"min_size": 1.5}, TypeError, "min_size must be an integer, got 1.5"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        ndconv.patch_scipy(**arguments)
    assert ndconv.patched() == ()
