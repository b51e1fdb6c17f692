"""The refinement with no network, beside which the tables put the network's share."""

import numpy as np
from skimage.restoration import inpaint_biharmonic

from benchmarks.common.prepared import refinement_alone
from dip_jax.pictures import samples
from dip_jax.pictures.values import to_float


def test_with_no_network_missing_pixels_are_nearer_than_those_of_the_surface():
    """An image that is exact at the known pixels would not be refined at all."""
    clean = to_float(samples.sample("astronaut", 64).pixels)
    fill = np.random.default_rng(4).random(clean.shape[:2]) < 0.5
    y = np.where(fill[..., None], np.float32(0), clean)
    made = refinement_alone(y, fill)
    surface = inpaint_biharmonic(y, fill, channel_axis=-1)
    np.testing.assert_array_equal(made[~fill], y[~fill])

    def psnr(x):
        return -10 * np.log10(np.square(x - clean).mean())

    assert psnr(made) > psnr(surface) + 1
