"""Directions of the vessels of a retina: the structure tensor."""

from skimage import color, data, feature

import ndconv

image = color.rgb2gray(data.retina())


def main():
    """Return the tensor's three elements at every pixel."""
    return feature.structure_tensor(image, sigma=2, order="rc")


if __name__ == "__main__":
    with ndconv.patch_scipy():
        print([element.mean() for element in main()])
