"""How far each pixel moves between two views of a motorcycle: TV-L1 optical flow."""

from skimage import color, data, registration

import ndconv

left, right = (color.rgb2gray(view) for view in data.stereo_motorcycle()[:2])


def main():
    """Return the two components of the movement."""
    return registration.optical_flow_tvl1(left, right)


if __name__ == "__main__":
    with ndconv.patch_scipy():
        print(abs(main()[1]).mean(), "pixels")
