"""Forward operators and priors for `dip_jax.restore`.

An operator takes an image `(h, w, c)` and gives what is measured of it:

>>> import numpy as np
>>> from dip_jax import operators
>>> lens = operators.blur(operators.gaussian(1.5))
>>> camera = operators.compose(operators.downsample(2), lens)
>>> camera(np.ones((64, 48, 3), np.float32)).shape
(32, 24, 3)
"""

from dip_jax.forward.operators.blurring import blur as blur
from dip_jax.forward.operators.blurring import gaussian as gaussian
from dip_jax.forward.operators.combining import compose as compose
from dip_jax.forward.operators.combining import stack as stack
from dip_jax.forward.operators.downsampling import downsample as downsample
from dip_jax.forward.operators.fourier import fourier as fourier
from dip_jax.forward.operators.jpeg import jpeg as jpeg
from dip_jax.forward.operators.mosaicing import bayer as bayer
from dip_jax.forward.operators.operator import Identity as identity
from dip_jax.forward.operators.operator import adjoint as adjoint
from dip_jax.forward.operators.tomography import radon as radon
from dip_jax.forward.priors import total_variation as total_variation

__all__ = [
    "adjoint",
    "bayer",
    "blur",
    "compose",
    "downsample",
    "fourier",
    "gaussian",
    "identity",
    "jpeg",
    "radon",
    "stack",
    "total_variation",
]
