"""Any image classifier of timm (Wightman 2019, github.com/huggingface/pytorch-image-models) as a recogniser."""

import difflib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from rim_plugin.archs.recogniser import FACE_SIZE, FeatureInfo, Recogniser
from rim_plugin.archs.timm_keys import translated_keys
from rim_plugin.errors import OptionsError, first_words
from rim_plugin.options.kinds import Count, Positive
from rim_plugin.packages import import_package

from basicsr.utils.registry import ARCH_REGISTRY

_TOKEN = (
    'its head reads a class token, which no block map has; where the network can do without, '
    'arguments: {class_token: false, global_pool: avg} says so'
)


@ARCH_REGISTRY.register()
class TimmRecogniser(Recogniser):
    """An image classifier of timm whose classes are the numbers of the embedding; needs the package timm.

    Its weights are random: none are fetched. ``load_recogniser_weights`` reads those of a face recogniser, under timm's
    own names or as EdgeFace (George et al. 2023, arXiv 2307.01838) publishes its own, e.g. for ``edgenext_x_small``.
    The block maps are the results of timm's stages, but the last is the map that timm's head takes.

    Args:
        name: of the network, one of ``timm.list_models()``.
        embedding_size: D.
        mean: the network sees (x - mean) / std for x in [0, 1].
        std: likewise.
        blocks: how many stages give block maps, counted from the last; all of a network that has fewer.
        arguments: others of ``timm.create_model`` or of the network, e.g. ``{drop_path_rate: 0.1}``.

    Shapes:
        see Recogniser; block maps as ``feature_info`` and ``grids`` say, e.g. 32x28x28, 64x14x14, 100x7x7 and 192x3x3.

    Raises:
        OptionsError: timm is not installed or does not know the name; or the network does not run on 112 pixels, has no
            stages, or a head that takes more than the last map.
    """

    def __init__(
        self,
        name: str,
        embedding_size: Count = 512,
        mean: float = 0.5,
        std: Positive = 0.5,
        blocks: Count = 4,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(mean, std)
        self.name, self.embedding_size = name, embedding_size
        self.model = _build(name, embedding_size, arguments or {})
        self._blocks = min(blocks, len(getattr(self.model, 'feature_info', ())))
        self._layout = 'NCHW'
        try:
            self._look()
        except OptionsError:
            raise
        except Exception as error:  # whatever one of a thousand networks does not like about a face
            message = f'it gives no block maps and embedding of a face of {FACE_SIZE} pixels'
            raise _unfit(name, f'{message} ({first_words(error)})') from error

    @torch.no_grad()
    def _look(self) -> None:
        """Find out what the block maps are, and which layers the head alone uses, by a run on a grey face."""
        self.model.eval()
        face = torch.zeros(1, 3, FACE_SIZE, FACE_SIZE)
        with _Runs(self.model) as trunk:
            features, stages = self.model.forward_intermediates(face, indices=self._blocks)
        self._layout = _layout(self.model, features, stages[-1], self.name)
        maps = (*stages[:-1], self._map(features, stages[-1]))
        with _Runs(self.model) as head:
            embedding = self.head(maps[-1])
        if embedding.shape != (1, self.embedding_size):
            raise _unfit(self.name, f'its head gives {tuple(embedding.shape)} instead of (N, {self.embedding_size})')
        self.model.train()
        strides = [info['reduction'] for info in self.model.feature_info][-self._blocks :]
        self.feature_info = tuple(FeatureInfo(block.shape[1], stride) for block, stride in zip(maps, strides))
        self._grids = tuple((block.shape[2], block.shape[3]) for block in maps)
        self._head_layers = tuple(
            name
            for name, child in self.model.named_children()
            if child.state_dict() and head.reached(child) and not trunk.reached(child)
        )

    def grids(self) -> tuple[tuple[int, int], ...]:
        return self._grids

    def block_maps(self, face: Tensor) -> tuple[Tensor, ...]:
        features, stages = self.model.forward_intermediates(face, indices=self._blocks)
        return (*stages[:-1], self._map(features, stages[-1]))

    def head(self, block: Tensor) -> Tensor:
        if self._layout == 'NLC':
            block = block.flatten(2).transpose(1, 2)
        elif self._layout == 'NHWC':
            block = block.permute(0, 2, 3, 1)
        return self.model.forward_head(block)

    def drop_head(self) -> None:
        for name in self._head_layers:
            delattr(self.model, name)

    def translated(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights under timm's names or EdgeFace's, low-rank layers multiplied out; others as they are."""
        return translated_keys(weights, self.state_dict())

    def _map(self, features: Tensor, stage: Tensor) -> Tensor:
        """What the head takes as a map (N, C, h, w), like the result of the last stage."""
        if self._layout == 'NLC':
            return features.transpose(1, 2).unflatten(2, stage.shape[2:])
        return features.permute(0, 3, 1, 2) if self._layout == 'NHWC' else features


class _Runs:
    """Records which modules run within its context."""

    def __init__(self, model: nn.Module) -> None:
        self._model, self._ran = model, set[nn.Module]()

    def __enter__(self) -> '_Runs':
        self._hooks = [module.register_forward_pre_hook(self._note) for module in self._model.modules()]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _note(self, module: nn.Module, _: object) -> None:
        self._ran.add(module)

    def reached(self, module: nn.Module) -> bool:
        """Whether the module ran, or a part of it."""
        return not self._ran.isdisjoint(module.modules())


def _unfit(name: str, reason: str) -> OptionsError:
    return OptionsError(f'TimmRecogniser (name: {name}): {reason}; take another network of timm')


def _timm(name: str) -> ModuleType:
    with torch.device('cpu'):  # its constants, also where the network is only described
        return import_package('timm', f'TimmRecogniser (name: {name})')


def _build(name: str, embedding_size: int, arguments: Mapping[str, Any]) -> Any:
    """timm's network with a head of that size, for faces of 112 pixels where it is made for one size."""
    timm = _timm(name)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), 3, 0.5)
        hint = f'did you mean {" or ".join(near)}?' if near else 'timm.list_models() lists its names'
        raise OptionsError(f'TimmRecogniser: name: timm has no network {name!r}; {hint}')
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    sized = {'img_size': FACE_SIZE} if config is not None and config.fixed_input_size else {}
    try:
        return timm.create_model(
            name, pretrained=False, checkpoint_path='', num_classes=embedding_size, **{**sized, **arguments}
        )
    except Exception as error:  # each network checks its arguments in its own way
        raise OptionsError(f'TimmRecogniser (name: {name}): timm cannot build it ({first_words(error)})') from error


def _layout(model: Any, features: Tensor, stage: Tensor, name: str) -> str:
    """How ``features``, what the head takes, are laid out: NCHW, NHWC or NLC, pixels of the last ``stage`` in a row.

    Raises:
        OptionsError: they are not a map of the size of that stage's.
    """
    rows, columns = stage.shape[2:]
    if features.ndim == 3:
        if features.shape[1] != rows * columns:
            raise OptionsError(f'TimmRecogniser (name: {name}): {_TOKEN}')
        return 'NLC'
    layout = 'NHWC' if getattr(model, 'output_fmt', 'NCHW') == 'NHWC' else 'NCHW'
    grid = features.shape[1:3] if layout == 'NHWC' else features.shape[2:4]
    if grid != (rows, columns):
        raise _unfit(
            name, f'its head takes {tuple(features.shape)}, no map of {rows}x{columns} as its last stage gives'
        )
    return layout
