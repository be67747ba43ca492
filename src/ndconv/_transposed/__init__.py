"""The transposed convolution, and so the gradient to x: phases of the stride, each an ordinary convolution."""
