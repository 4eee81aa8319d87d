"""What a key-value cache joins when an attention module appends to it.

The first keys are joined to nothing, by some versions of transformers: that is no call of these places.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from transformers import DynamicCache

from intercept import Calls
from plan import CACHE, NEW_KEY, NEW_VALUE, PAST_KEY, PAST_VALUE

PORTS = CACHE
METHOD = "update"
JOIN = {torch.cat, torch.concat}


@contextmanager
def watch(model, recorder) -> Iterator[None]:
    """Wraps the cache's `update`: it joins the keys, then the values."""
    names = {model.get_submodule(name).layer_idx: name for name in recorder.modules(PORTS)}
    original = getattr(DynamicCache, METHOD)
    inherited = METHOD not in vars(DynamicCache)

    def wrapper(self, key, value, layer, *args, **kwargs):
        pairs = iter(((PAST_KEY, NEW_KEY), (PAST_VALUE, NEW_VALUE)))

        def joined(tensors, *_, **__):
            for port, tensor in zip(next(pairs, ()), tensors):
                if tensors[0].numel():
                    recorder.record(names[layer], port, tensor)

        with Calls(JOIN if layer in names else set(), joined):
            return original(self, key, value, layer, *args, **kwargs)

    setattr(DynamicCache, METHOD, wrapper)
    try:
        yield
    finally:
        if inherited:
            delattr(DynamicCache, METHOD)
        else:
            setattr(DynamicCache, METHOD, original)
