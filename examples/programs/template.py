"""A galaxy found again in the Hubble deep field: template matching."""

from skimage import color, data, feature

import ndconv

image = color.rgb2gray(data.hubble_deep_field())
galaxy = image[300:364, 400:464]


def main():
    """Return the coefficient at every place."""
    return feature.match_template(image, galaxy)


if __name__ == "__main__":
    with ndconv.patch_scipy():
        print(divmod(main().argmax(), image.shape[1] - galaxy.shape[1] + 1))
