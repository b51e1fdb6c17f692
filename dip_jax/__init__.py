"""Deep Image Prior in JAX: restores damaged pictures with no training data."""

__version__ = "0.1.0"
