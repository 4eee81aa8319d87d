"""Sees calls of torch functions while they are made, and changes none of them."""

from __future__ import annotations

from collections.abc import Callable

from torch.overrides import TorchFunctionMode


class Calls(TorchFunctionMode):
    """Within its `with`, hands what every call of `functions` is given to `before`, and its result to `after`."""

    def __init__(self, functions: set[Callable], before: Callable, after: Callable = lambda result: None):
        super().__init__()
        self.functions, self.before, self.after = functions, before, after

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function not in self.functions:
            return function(*args, **(kwargs or {}))
        self.before(*args, **(kwargs or {}))
        result = function(*args, **(kwargs or {}))
        self.after(result)
        return result
