"""What is no array, or none that is welcome: said alike by every function, of each of its arguments."""

import numpy as np
import pytest

import ndconv
from support.functions import ARGUMENTS, FILTERS, FUNCTIONS, SIGNAL, call


class OnDevice:
    """What has the protocol of DLPack, for memory of some device."""

    def __init__(self, array, device):
        self.array, self.device = np.asarray(array, float), device

    def __dlpack_device__(self):
        return self.device, 0

    def __dlpack__(self, **keywords):
        if self.device != 1:
            raise BufferError("this is no CPU")
        return self.array.__dlpack__(**keywords)


class Stubborn:
    """What does not want to become an array."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("not me")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_the_tables_change_was_right(function):
    call(function)


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a signal", "must be an array.* got 'a signal'"),
        (b"12", "must be an array.* got b'12'"),
        ({1.0, 2.0}, "must be an array.* got {1.0, 2.0}"),
        ({"a": 1}, "must be an array.* got {'a': 1}"),
        ([["a", "b"]], "must have a boolean, integer.*got <U1"),
        (np.array([[1, 2]], object), "must have a boolean, integer.*got object"),
        (np.ones((3, 9), np.longdouble), "must have a boolean, integer.*got (float|longdouble)"),
        (np.array(["2020-01-01"], "M8[D]"), r"must have a boolean, integer.*got datetime64\[D\]"),
        (OnDevice([[1.0]], 2), "must be an array.* in the CPU's memory; got a OnDevice: .*type 2: copy it"),
        (Stubborn(), "must be an array.* got a Stubborn: not me"),
        (print, "must have a boolean, integer.*got object"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_array(function, name, value, message):
    with pytest.raises(TypeError, match=rf"^{name} {message}"):
        call(function, **{name: value})


@pytest.mark.parametrize(("function", "name"), [each for each in ARGUMENTS if each[1] != "bias"])
def test_none_is_no_array(function, name):
    if name in ("residual", "gamma", "beta"):
        pytest.skip("None is the default")
    with pytest.raises(TypeError, match=rf"^{name} must be an array.* got None"):
        call(function, **{name: None})


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
def test_ragged_lists(function, name):
    with pytest.raises(ValueError, match=rf"^{name} must be an array.* got a list: .*inhomogeneous"):
        call(function, **{name: [[1.0], [2.0, 3.0]]})


@pytest.mark.parametrize(("function", "name"), [each for each in ARGUMENTS if each[1] not in ("kernel", "adjacency")])
@pytest.mark.parametrize("form", ["csr_array", "coo_matrix", "dia_array"])
def test_sparse_arrays(function, name, form):
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=rf"^{name} must be an array.* got a sparse {form}.*toarray"):
        call(function, **{name: getattr(sparse, form)(np.eye(3))})


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
def test_masked_arrays(function, name):
    """Nothing could stand for what is masked; but in correlations it is missing."""
    if function in ("correlate_nd", "convolve_nd"):
        pytest.skip("they know masks")
    good = np.asarray(FUNCTIONS[function][1][name])
    for masked in (np.ma.array(good, mask=good > 1), np.ma.array(good), np.ma.masked, [np.ma.array(good), good]):
        with pytest.raises(TypeError, match=rf"^{name} must not be a masked array.*{name}\.filled\(0\).*correlate_nd"):
            call(function, **{name: masked})


@pytest.mark.parametrize(
    "function", ["conv_layer", "ConvLayer()", "conv_transpose_layer", "correlate_nd", "convolve_nd"]
)
def test_a_masked_out(function):
    for out in (np.ma.zeros(call(function).shape), np.ma.masked_all(call(function).shape), np.ma.masked):
        with pytest.raises(TypeError, match=r"^out must .* (masked array|array, got Masked)"):
            call(function, out=out)


def test_masked_arrays_like_those_of_earlier_calls():
    """What is remembered of a call is not taken for a call with a masked array."""
    x = SIGNAL[:, :8].copy()
    layer = ndconv.ConvLayer(FILTERS)
    for _ in range(2):
        layer(x)
        ndconv.conv_layer(x, FILTERS)
        for f in (layer, lambda x: ndconv.conv_layer(x, FILTERS), lambda w: ndconv.conv_layer(x, FILTERS, residual=w)):
            with pytest.raises(TypeError, match="must not be a masked array"):
                f(np.ma.array(x))
        with pytest.raises(TypeError, match="bias must not be a masked array"):
            ndconv.conv_layer(x, FILTERS, np.ma.array([1.0, 2.0, 3.0]))


@pytest.mark.parametrize(("function", "name"), ARGUMENTS)
def test_tensors(torch, function, name):
    good = torch.asarray(np.array(FUNCTIONS[function][1][name], float))
    call(function, **{name: good})
    with pytest.raises(
        TypeError, match=rf"^{name} must be an array.* got a Tensor that requires gradients.*detach\(\)"
    ):
        call(function, **{name: good.clone().requires_grad_()})
    for wrong, message in (
        (good.to("meta"), "Unknown device type meta"),
        (good.to(torch.bfloat16), "BFloat16"),
        (good.to(torch.complex64).conj(), "resolve_conj"),
        (good.to_sparse(), "Sparse"),
    ):
        with pytest.raises(TypeError, match=rf"^{name} must be an array.* got a Tensor: .*{message}"):
            call(function, **{name: wrong})


def test_memory_that_the_cpu_reads_is_welcome():
    expected = ndconv.conv_layer(SIGNAL, FILTERS)
    np.testing.assert_array_equal(ndconv.conv_layer(OnDevice(SIGNAL, 1), FILTERS), expected)
