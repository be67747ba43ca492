"""Galaxies of the Hubble deep field: blobs of all sizes."""

from skimage import color, data, feature

import ndconv

image = color.rgb2gray(data.hubble_deep_field())


def main():
    """Return rows, columns and standard deviations."""
    return feature.blob_log(image, max_sigma=30, threshold=0.1)


if __name__ == "__main__":
    with ndconv.patch_scipy():
        print(len(main()), "galaxies")
