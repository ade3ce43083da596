"""Counting instead of timing: how much work a function does."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def work(run: Callable[[], object]) -> int:
    """How many numbers all operations on tensors make."""
    made = []

    class Counted(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            made.extend(x.numel() for x in tree_leaves(out) if isinstance(x, torch.Tensor))
            return out

    with Counted():
        run()
    return sum(made)
