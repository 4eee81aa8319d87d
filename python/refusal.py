"""The one way in which a capture says no."""

from __future__ import annotations

PROGRAM = "python3 python/capture.py"


class Refusal(Exception):
    """Why there is no capture: what, where, and the one command that helps."""

    def __init__(self, what: str, where: str, purpose: str, command: str):
        super().__init__(what)
        self.what, self.where, self.purpose, self.command = what, where, purpose, command

    def __str__(self) -> str:
        return f"error: {self.what}\n       {self.where}\n       {self.purpose}:  {self.command}"


class HubRefusal(Refusal):
    """The model is not to be had from the hub."""


def options_refusal(what: str, where: str = "on the command line") -> Refusal:
    return Refusal(what, where, "to see the options", f"{PROGRAM} --help")


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
