"""What is not face in a photo, enlarged by any SR network."""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from rim_plugin.building import build_block, describe
from rim_plugin.data.tiles import enlarge_by_tiles
from rim_plugin.errors import OptionsError, first_words
from rim_plugin.options.arguments import check_built
from rim_plugin.options.conversion import Place, check_block, fields_of
from rim_plugin.options.reading import read_options
from rim_plugin.options.schema import NetworkPathOptions
from rim_plugin.weights_file import load_into

from basicsr.utils.registry import ARCH_REGISTRY

_TILE, _BORDER = 224, 16  # pixels that the network enlarges at a time, and around them: 256, as windows divide it
_TRIED = (64, 128)  # pixels of the pictures by which its factor is found
_MIXED = 9  # pixels across, about the transparent ones, in which interpolation stays


class Background:
    """Enlarges photos by an SR network, tile by tile.

    Args:
        network: from (1, 3, h, w) in [0, 1], RGB, to (1, 3, f h, f w), with one factor f for every h and w.
        device: where it runs.

    Raises:
        OptionsError: it does not enlarge so.
    """

    def __init__(self, network: nn.Module, device: torch.device | str = 'cpu') -> None:
        self._device = torch.device(device)
        self._network = network.to(self._device).eval().requires_grad_(False)
        self._factor = self._find_factor()

    def _find_factor(self) -> int:
        try:
            shapes = [self._run(torch.zeros(1, 3, side, side)).shape for side in _TRIED]
        except Exception as error:  # whatever a network says of pictures that it does not take
            raise OptionsError(f'it does not enlarge a picture of {_TRIED[0]} pixels ({first_words(error)})') from error
        factor = shapes[0][-1] // _TRIED[0]
        if not factor or any(shape != (1, 3, factor * side, factor * side) for shape, side in zip(shapes, _TRIED)):
            made = ' and '.join('x'.join(map(str, shape[1:])) for shape in shapes)
            wanted = ' and '.join(map(str, _TRIED))
            raise OptionsError(f'it makes {made} of pictures of {wanted} pixels, not all larger by one whole factor')
        return factor

    @torch.no_grad()
    def _run(self, images: Tensor) -> Tensor:
        output = self._network(images.to(self._device))
        if not isinstance(output, Tensor):
            raise TypeError(f'it gives a {type(output).__name__}, not pictures')
        return output.float().cpu()

    def __call__(self, before: np.ndarray, pixels: np.ndarray, scale: int) -> np.ndarray:
        """A photo enlarged; about what is transparent in it interpolation stays, as hidden pixels show nothing.

        Args:
            before: uint8 or uint16 (scale H, scale W, 3 or 4), by bicubic interpolation.
            pixels: the photo, (H, W, 3 or 4).
            scale: how many times as large it is.
        """
        if scale == 1:
            return before
        full = np.iinfo(pixels.dtype).max

        def enlarge(tile: np.ndarray) -> np.ndarray:
            image = torch.from_numpy(tile.astype(np.float32) / full).permute(2, 0, 1)[None]
            large = self._run(image)[0].permute(1, 2, 0).numpy()
            if scale != self._factor:
                how = cv2.INTER_AREA if scale < self._factor else cv2.INTER_CUBIC
                large = cv2.resize(large, (scale * tile.shape[1], scale * tile.shape[0]), interpolation=how)
            return np.rint(large.clip(0, 1) * full).astype(pixels.dtype)

        after = enlarge_by_tiles(np.ascontiguousarray(pixels[:, :, :3]), scale, _TILE, _BORDER, enlarge)
        if pixels.shape[2] == 3:
            return after
        opaque = cv2.erode((pixels[:, :, 3] == full).astype(np.uint8), np.ones((_MIXED, _MIXED), np.uint8))
        opaque = np.repeat(np.repeat(opaque, scale, 0), scale, 1)[:, :, None]
        return np.dstack([np.where(opaque, after, before[:, :, :3]), before[:, :, 3:]])


def load_background(path: str | os.PathLike[str], device: torch.device | str = 'cpu') -> Background:
    """The network of an options file, BasicSR's or RIM's: its ``network_g``, with ``path: pretrain_network_g``.

    Args:
        path: the file; ``path: param_key_g`` and ``strict_load_g`` count, too, nothing else does.
        device: where the network runs.

    Raises:
        OptionsError: no such file, network or weights, or a network that does not enlarge photos.
    """
    root = Place(os.fspath(path))
    options = read_options(root.file)
    block, places = options.get('network_g'), options.get('path') or {}
    if not isinstance(block, dict) or 'type' not in block:
        raise OptionsError(f'{path}: it has no network_g with a type, which would enlarge the background')
    check_built(block, ARCH_REGISTRY, 'network', root / 'network_g')
    own = {f'{key}_g': field for key, field in fields_of(NetworkPathOptions).items()}
    check_block(places, own, root / 'path', strict=False)
    try:
        describe(build_block, 'network_g', block)  # of one that is too large, before it takes memory
        network = build_block('network_g', block)
    except OptionsError as error:
        raise OptionsError(f'{path}: {error}') from None
    _load(network, places, path)
    try:
        return Background(network, device)
    except OptionsError as error:
        raise OptionsError(f'{path}: network_g: {block["type"]} enlarges no background: {error}') from None


def _load(network: nn.Module, places: dict[str, Any], path: str | os.PathLike[str]) -> None:
    weights = places.get('pretrain_network_g')
    if weights is not None:
        load_into(network, weights, places.get('param_key_g', 'params'), places.get('strict_load_g', True))
    elif list(network.parameters()):
        raise OptionsError(f'{path}: path: pretrain_network_g is missing: name the weights of network_g')
