"""Gradients and steps of the parts of a training: loss scale, micro-batches, clipping."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import add
from typing import NamedTuple

import torch
from torch import Tensor, nn


def logged(losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Terms by their names in the log."""
    return {f'l_{name}': term for name, term in losses.items()}


class Part(NamedTuple):
    """What learns by an optimizer of its own."""

    module: nn.Module
    optimizer: torch.optim.Optimizer


class Optimisation:
    """Takes the gradients of losses and steps optimizers.

    Args:
        parts: by name.
        scaler: of the loss, for fp16; it does nothing where it is not enabled.
        grad_clip: largest norm of a part's gradient; None for no limit.
        chunks: micro-batches that make up a step.
        check: raises FloatingPointError where one of the terms, by their names in the log, is not finite.
    """

    def __init__(
        self,
        parts: Mapping[str, Part],
        scaler: torch.amp.GradScaler,
        grad_clip: float | None,
        chunks: int,
        check: Callable[[dict[str, Tensor]], None],
    ) -> None:
        self.parts, self.scaler, self.grad_clip, self.chunks, self.check = parts, scaler, grad_clip, chunks, check
        self._log: dict[str, Tensor] = {}

    def backward(self, losses: Mapping[str, Tensor]) -> None:
        """Add the gradients of the sum of ``losses``, a micro-batch's share of the step; the terms go to the log.

        Raises:
            FloatingPointError: a term is NaN or infinite.
        """
        self.check(logged(losses))
        self.accumulate(losses)

    def accumulate(self, losses: Mapping[str, Tensor]) -> None:
        """:meth:`backward` without the check, for which a GPU has to be waited for."""
        terms = logged(losses)
        self.scaler.scale(reduce(add, terms.values()) / self.chunks).backward()
        for name, term in terms.items():
            self._log[name] = self._log.get(name, 0) + term.detach() / self.chunks

    def parameters(self, name: str) -> list[nn.Parameter]:
        """Those of a part; none where it has no optimizer."""
        return list(self.parts[name].module.parameters()) if name in self.parts else []

    def step(self, names: Iterable[str]) -> None:
        """Clip the gradients of parts and step their optimizers; names without an optimizer are passed over."""
        for module, optimizer in (self.parts[name] for name in names if name in self.parts):
            if self.grad_clip:
                self.scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(module.parameters(), self.grad_clip)
            self.scaler.step(optimizer)
            optimizer.zero_grad(set_to_none=True)

    def finish(self) -> dict[str, Tensor]:
        """End the iteration: every term, averaged over its micro-batches, by its name in the log."""
        self.scaler.update()
        log, self._log = self._log, {}
        return log
