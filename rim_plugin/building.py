"""Networks from their options: built, or described without memory; one that no machine holds is refused before."""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from torch.nn.modules.module import (
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from rim_plugin.errors import OptionsError, first_words

from basicsr.utils.registry import ARCH_REGISTRY

Built = TypeVar('Built')
_MOST_LAYERS = 5_000


class TooLarge(OptionsError):
    """A network that no machine holds."""


def build_network(options: Mapping[str, Any]) -> Any:
    """The registered network of a block with a ``type``; as BasicSR's, but it does not open the log.

    Raises:
        TooLarge: it has more than 5,000 layers.
    """
    arguments = dict(options)
    with _limited_layers():
        return ARCH_REGISTRY.get(arguments.pop('type'))(**arguments)


@contextmanager
def _limited_layers() -> Iterator[None]:
    """Building a network of a million layers takes hours, and all memory: layers are counted as they become part of
    others, and by their weights and biases, as some networks make them all before that."""

    def limit(most: int) -> Callable[..., None]:
        count = itertools.count(1)

        def hook(*_: Any) -> None:
            if next(count) > most:
                raise TooLarge(f'network: more than {_MOST_LAYERS:,} layers; a number of blocks is too large')

        return hook

    with ExitStack() as handles:
        handles.callback(register_module_module_registration_hook(limit(_MOST_LAYERS)).remove)
        handles.callback(register_module_parameter_registration_hook(limit(2 * _MOST_LAYERS)).remove)
        yield


def build_block(name: str, options: Mapping[str, Any]) -> Any:
    """The registered network of the block ``name``.

    Raises:
        ValueError: the network cannot be built with its options.
    """
    try:
        net = build_network(options)
    except TooLarge as error:
        raise TooLarge(str(error).replace('network', name, 1)) from None
    except OptionsError:  # of networks that say what is wrong
        raise
    except Exception as error:
        raise OptionsError(f'{name}: {options["type"]} cannot be built so ({first_words(error)})') from error
    needed = 4 * sum(parameter.numel() for parameter in net.parameters())
    if needed > (memory := os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')):
        raise TooLarge(f'{name}: {needed / 1e9:,.0f} GB of weights, and this machine has {memory / 1e9:,.0f} GB')
    return net


def describe(build: Callable[..., Built], *args: Any) -> Built:
    """What ``build(*args)`` gives, networks to look at and not to run, which take no memory and no random numbers.

    Raises:
        TooLarge: see :func:`build_network`.
    """
    with torch.random.fork_rng([]):
        try:
            with torch.device('meta'):
                return build(*args)
        except TooLarge:
            raise
        except Exception:  # a network that computes with its weights while it is built, or one that cannot be built
            return build(*args)
