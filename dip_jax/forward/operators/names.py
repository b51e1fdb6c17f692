"""What operators are called with, by name: for those who ask before JAX is there."""

KERNELS = ("lanczos2", "lanczos3", "bicubic", "area")
"""By which a picture is made smaller."""

BOUNDARIES = ("reflect", "mirror", "nearest", "wrap", "constant", "valid")
"""What lies beyond the border, by SciPy's names (`scipy.ndimage.convolve`), or what needs none."""

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")
"""The colours of the first two pixels of a Bayer mosaic's first row, and of its second."""

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
"""Of the chroma of a JPEG."""
