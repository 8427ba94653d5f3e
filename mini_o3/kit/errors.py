"""The one exception a user is meant to read."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user gave cannot be used: one line that names it and says what to do.

    The command line prints the message without a traceback and exits with status 2. Everything else that is
    raised is a defect of this program and keeps its traceback.
    """
