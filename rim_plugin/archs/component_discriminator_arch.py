"""Discriminators of face components, as GFPGAN's: each sees one crop of the face by its landmarks."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rim_plugin.archs.component_crops import COMPONENTS, Component, check_components, component_crops
from rim_plugin.building import build_network
from rim_plugin.options.kinds import Count, Positive

from basicsr.utils.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register()
class ComponentDiscriminator(nn.Module):
    """A discriminator of images for each component of a face (Wang et al., *GFP-GAN*, CVPR 2021, section 3.3).

    Args:
        net: ``type`` and arguments of any registered discriminator of images; each component has one of its own.
        components: of ``left_eye``, ``right_eye`` and ``mouth``.
        size: side of the crops.
        enlarge: of the crops over the extent of the component's landmarks.

    Shapes:
        images (N, 3, S, S) and landmarks (N, L, 2) in their pixels, L = 5, 68 or 194, to logits (N, K, ...).

    Raises:
        OptionsError: an unknown component.
    """

    inner_blocks: ClassVar[dict[str, Any]] = {'net': {}}

    def __init__(
        self,
        net: dict[str, Any],
        components: Sequence[Component] = COMPONENTS,
        size: Count = 32,
        enlarge: Positive = 1.4,
    ) -> None:
        super().__init__()
        check_components('ComponentDiscriminator', components)
        self.size, self.enlarge = size, enlarge
        self.nets = nn.ModuleDict({name: build_network(net) for name in components})

    def forward(self, images: Tensor, landmarks: Tensor) -> Tensor:
        crops = component_crops(images, landmarks, list(self.nets), self.size, self.enlarge)
        return torch.stack([net(crop) for net, crop in zip(self.nets.values(), crops.unbind(1), strict=True)], 1)
