"""The command `dip-jax`, and what all commands share."""
