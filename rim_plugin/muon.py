"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) for convolutions, with Adam for the rest."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adam import adam

# coefficients and number of the Newton-Schulz iterations of Jordan et al.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5
_RMS = 0.2  # root mean square of a step of Adam's over its rate


def orthogonalised(matrices: Tensor) -> Tensor:
    """About the nearest semi-orthogonal matrices, singular values 0.7 to 1.2, by Newton-Schulz iterations.

    Each iteration is a polynomial of X X^T times X. So they are computed on that square, and X is multiplied by their
    product once: for kernels, far wider than high, in less than half of the time.

    Args:
        matrices: (N, rows, columns), in single precision; a zero matrix stays zero.

    Returns:
        (N, rows, columns).
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    gram = x @ x.mT
    product = identity = torch.eye(gram.shape[1], dtype=x.dtype, device=x.device)
    for _ in range(_ITERATIONS):
        factor = torch.baddbmm(_A * identity + _B * gram, gram, gram, alpha=_C)
        product = factor @ product
        gram = factor @ gram @ factor
    x = product @ x
    return x.mT if tall else x


class Muon(Optimizer):
    """Orthogonalised momentum for convolutions, Adam for linear layers, 1x1 convolutions and all else.

    Every step of Muon moves a layer's output by about as much, whatever its scale: too much for heads, which give
    images or places in small units, and are linear or 1x1 here. A convolution is the matrix (out, in * kh * kw). Each
    step has the root mean square of one of Adam, 0.2 times the rate (Liu et al. 2025, arXiv 2502.16982), so that a rate
    means about what it does there. Weights of one shape are orthogonalised together. A step never waits for a GPU, and
    a group's ``lr`` may be a tensor on it, so that a CUDA graph can hold the step.

    Args:
        params: parameters, or groups of them.
        lr: rate of the convolutions.
        other_lr: rate of all others; None for ``lr``.
        momentum: of the convolutions, with Nesterov's look ahead.
        betas: of Adam.
        weight_decay: decoupled, of the convolutions alone.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        other_lr: float | None = None,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        given = list(params)
        groups = given if given and isinstance(given[0], dict) else [{'params': given}]
        both = []
        for group in groups:
            kinds: dict[bool, list[Tensor]] = {True: [], False: []}
            for value in group['params']:
                kinds[_is_kernel(value)].append(value)
            rest = {key: value for key, value in group.items() if key != 'params'}
            other = {'lr': rest.get('lr', lr) if other_lr is None else other_lr}
            both += [{**rest, 'params': kinds[True], 'matrices': True}] if kinds[True] else []
            both += [{**rest, **other, 'params': kinds[False], 'matrices': False}] if kinds[False] else []
        super().__init__(both, {'lr': lr, 'momentum': momentum, 'betas': betas, 'weight_decay': weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; see :class:`torch.optim.Optimizer`."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            (self._step_matrices if group['matrices'] else self._step_others)(group)
        return loss

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Counts of steps of a state that was saved elsewhere go to the device of their parameter."""
        super().__setstate__(state)
        for value, kept in self.state.items():
            if 'step' in kept:
                kept['step'] = kept['step'].to(value.device)

    def _step_matrices(self, group: dict[str, Any]) -> None:
        shapes: dict[tuple[int, int], list[Tensor]] = {}
        for value in group['params']:
            if value.grad is not None:
                shapes.setdefault((value.shape[0], value[0].numel()), []).append(value)
        for shape, values in shapes.items():
            gradients = [value.grad.reshape(shape) for value in values if value.grad is not None]
            momenta = [self._state(value, shape)['momentum'] for value in values]
            torch._foreach_lerp_(momenta, gradients, 1 - group['momentum'])
            ahead = torch.stack(torch._foreach_lerp(gradients, momenta, group['momentum']))
            steps = orthogonalised(ahead) * (_RMS * math.sqrt(max(shape)) * group['lr'])
            if group['weight_decay']:
                torch._foreach_mul_(values, 1 - group['lr'] * group['weight_decay'])
            torch._foreach_sub_(values, [step.view(value.shape) for value, step in zip(values, steps, strict=True)])

    def _state(self, value: Tensor, shape: tuple[int, int]) -> dict[str, Tensor]:
        state = self.state[value]
        if not state:
            state['momentum'] = value.new_zeros(shape)
        return state

    def _step_others(self, group: dict[str, Any]) -> None:
        values = [value for value in group['params'] if value.grad is not None]
        for value in values:
            if not self.state[value]:
                count = torch.zeros((), device=value.device)
                self.state[value].update(
                    step=count, exp_avg=torch.zeros_like(value), exp_avg_sq=torch.zeros_like(value)
                )
        states = {key: [self.state[value][key] for value in values] for key in ('exp_avg', 'exp_avg_sq', 'step')}
        adam(
            values,
            [value.grad for value in values if value.grad is not None],
            states['exp_avg'],
            states['exp_avg_sq'],
            [],
            states['step'],
            fused=True,  # one kernel on a GPU, where it needs the counts of steps, too
            amsgrad=False,
            beta1=group['betas'][0],
            beta2=group['betas'][1],
            lr=group['lr'],
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )


def _is_kernel(value: Tensor) -> bool:
    """Whether it is the weight of a convolution of more than 1x1, and no map such as one of positions, (1, C, h, w)."""
    return value.ndim == 4 and value.shape[0] > 1 and value[0, 0].numel() > 1
