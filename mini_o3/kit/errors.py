"""The exceptions a user is meant to read."""

from __future__ import annotations


class UserError(ValueError):
    """Something the user gave cannot be used: one line that names it and says what to do.

    The command line prints the message without a traceback and exits with status 2. Everything else that is
    raised is a defect of this program and keeps its traceback. A message names a setting as Python does, in
    backquotes (`max_pixels`); the command line prints its option in that place (`--max-pixels`).
    """


class SettingError(UserError):
    """A setting that cannot be used. Its text names the setting as Python does (`max_pixels: ...`).

    The command line, which knows the setting as an option, prints `--max-pixels: ...` instead.

    Attributes:
        setting: name of the setting.
        problem: what is wrong with it, and what to do.
        given: the value that was given, if the message should repeat it.
    """

    def __init__(self, setting: str, problem: str, given: object = None) -> None:
        super().__init__(setting, problem, given)
        self.setting, self.problem, self.given = setting, problem, given

    def __str__(self) -> str:
        return self.under(self.setting)

    def under(self, name: str) -> str:
        """The message, with the setting called `name`."""
        return f"{name}: {self.problem}" if self.given is None else f"{name} {self.given}: {self.problem}"
