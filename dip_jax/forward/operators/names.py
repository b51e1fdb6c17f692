"""The names that operators take as arguments, in a file that imports no JAX."""

KERNELS = ("lanczos2", "lanczos3", "bicubic", "area")
"""Filters by which a picture is made smaller."""

BOUNDARIES = ("reflect", "mirror", "nearest", "wrap", "constant", "valid")
"""What lies beyond the border, by the names of `scipy.ndimage.convolve`; "valid" needs nothing."""

PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")
"""Bayer patterns: the colours of the first two pixels of the first row, then of the second."""

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
"""Chroma subsamplings of a JPEG."""
