"""Edges of the vessels of a retina: Canny's."""

from skimage import color, data, feature

import ndconv

image = color.rgb2gray(data.retina())


def main():
    """Return where edges are."""
    return feature.canny(image, sigma=3, low_threshold=0.01, high_threshold=0.03)


if __name__ == "__main__":
    with ndconv.patch_scipy():
        print(main().sum(), "pixels")
