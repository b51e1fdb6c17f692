"""The command `dip-jax`, and `python -m dip_jax`: a task for files, `run` for a configuration.

`run` is `dip_jax.main` with the configuration of a task, `studio` is `dip_jax.studio`, and
`cli.command` is all the rest. They import different things, so only the one that is meant is
imported.
"""

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command, and gives its exit code.

    Args:
        argv: what follows the command's name; by default that of this process.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] not in (["run"], ["studio"]):
        from dip_jax.cli import command

        return command.main(argv)
    from dip_jax.cli import startup

    startup.prepare_memory(restart=argv is None)
    if words[:1] == ["studio"]:
        from dip_jax.studio import command as studio

        return studio.main(words[1:])
    from dip_jax import main as configured

    return configured.run_task(words[1:])


if __name__ == "__main__":
    sys.exit(main())
