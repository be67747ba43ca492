"""Time of gradients and of transposed layers, after a first call that starts threads and chooses a plan."""

import ndconv

from .shapes import GRADIENTS, TRANSPOSED


class Backward:
    """Gradients of layers of well-known networks, weights packed beforehand."""

    params = (list(GRADIENTS), ["x", "weight", "all"])
    param_names = ("layer", "needs")

    def setup(self, name, needs):
        problem = GRADIENTS[name]
        self.grad_y, self.x, weight = problem.arrays()
        self.layer = ndconv.ConvLayer(weight, **problem.layer.options)
        self.needs = ("x", "weight", "bias") if needs == "all" else needs
        self.layer.backward(self.grad_y, self.x, self.needs)

    def time_backward(self, name, needs):
        self.layer.backward(self.grad_y, self.x, self.needs)


class TransposedLayers:
    """Transposed layers, whose weights are packed in the call, and their gradients."""

    params = (list(TRANSPOSED), ["forward", "backward"])
    param_names = ("layer", "pass")

    def setup(self, name, way):
        layer = TRANSPOSED[name]
        x, weight, _ = layer.arrays()
        y = ndconv.conv_transpose_layer(x, weight, **layer.options)
        self.call = {
            "forward": lambda: ndconv.conv_transpose_layer(x, weight, **layer.options),
            "backward": lambda: ndconv.conv_transpose_layer_backward(y, x, weight, **layer.options),
        }[way]
        self.call()

    def time_layer(self, name, way):
        self.call()
