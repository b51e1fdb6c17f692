"""The one exception that means "what you gave me cannot be used"."""


class InputError(ValueError):
    """A file, a mask, an option or an array that cannot be used.

    The message is one line and says what is wrong, what was expected and what to do. The command
    line prints it and exits with a non-zero status; from Python it is an ordinary `ValueError`.
    """
