"""The one way in which the benchmark says that it cannot measure."""


class Refusal(Exception):
    """What is in the way, and what to do about it."""

    def __init__(self, what: str, remedy: str):
        super().__init__(what)
        self.what, self.remedy = what, remedy

    def __str__(self) -> str:
        return f"error: {self.what}\n       {self.remedy}"
