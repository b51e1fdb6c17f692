"""`python -m dip_jax`: the same as the command `dip-jax`."""

import sys

from dip_jax.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
