"""Errors that are the user's to mend: one clear line, never a traceback."""


class UsageError(ValueError):
    """A value the user gave breaks a rule. The message says the rule, the value and the way out.

    The command line prints the message alone and exits with 2.
    """


class RunError(RuntimeError):
    """A run cannot go on (an empty collection, a full disk). Printed alone; exit status 1."""


class PassingError(RunError):
    """A RunError that may be gone in a minute (a busy lake, a lost connection): worth a retry."""
