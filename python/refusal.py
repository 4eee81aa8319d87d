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
