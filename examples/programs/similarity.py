"""How much a noisy retina is like the clean one: SSIM, over square windows."""

from skimage import color, data, metrics, util

import ndconv

image = color.rgb2gray(data.retina())
noisy = util.random_noise(image, var=0.005, rng=0)


def main():
    """Return the mean similarity."""
    return metrics.structural_similarity(image, noisy, data_range=1)


if __name__ == "__main__":
    with ndconv.patch_scipy():
        print(main())
