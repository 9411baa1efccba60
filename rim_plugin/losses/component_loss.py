"""Likeness of face components: a loss of images on crops by landmarks."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from rim_plugin.archs.component_crops import COMPONENTS, Component, check_components, component_crops
from rim_plugin.losses.inputs import check_shapes, one_number, widened
from rim_plugin.options.kinds import Count, Positive

from basicsr.utils.registry import LOSS_REGISTRY


def component_loss(
    sr: Tensor,
    hr: Tensor,
    landmarks: Tensor,
    loss: nn.Module,
    components: Sequence[str] = COMPONENTS,
    size: int = 32,
    enlarge: float = 1.4,
) -> Tensor:
    r"""A loss l of images on eyes and mouth, after the local losses of GFP-GAN (Wang et al., CVPR 2021, Eq. 4).

    .. math::
        l(c(x_{SR}), c(x_{HR}))

    with c the crops of all faces and components in one batch, see
    :func:`~rim_plugin.archs.component_crops.component_crops`.

    Args:
        sr: (N, 3, S, S), RGB in [0, 1], any floating dtype; computed in float32 at least.
        hr: likewise.
        landmarks: (N, L, 2), x and y in pixels of ``hr``, L = 5, 68 or 194; constant.
        loss: l, of two batches of images (N * components, 3, size, size).
        components: of ``left_eye``, ``right_eye`` and ``mouth``.
        size: side of the crops in pixels.
        enlarge: of the crops over the extent of the component's landmarks.

    Returns:
        Scalar.

    Raises:
        ValueError: faces of different shapes, or landmarks of another number of faces, or of no known scheme.

    Example:
        >>> corners = torch.tensor([[[9.5, 9.5], [19.5, 9.5], [14.5, 14.5], [11.5, 19.5], [17.5, 19.5]]])
        >>> hr, brighter_above = torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 32, 32)
        >>> brighter_above[:, :, :12] = 0.5
        >>> component_loss(brighter_above, hr, corners, nn.L1Loss(), ['left_eye'])  # the eye alone is within
        tensor(0.5000)
        >>> component_loss(brighter_above, hr, corners, nn.L1Loss(), ['mouth'])
        tensor(0.)
    """
    check_shapes('ComponentLoss', 'faces', sr=sr, hr=hr)
    faces = torch.cat(widened(sr, hr))
    if landmarks.ndim != 3 or len(landmarks) != len(sr):
        raise ValueError(
            f'ComponentLoss: landmarks must be (N, L, 2) for each of the N faces, {tuple(sr.shape)}, '
            f'not {tuple(landmarks.shape)}'
        )
    crops = component_crops(faces, landmarks.repeat(2, 1, 1), components, size, enlarge)
    return one_number(loss, loss(*crops.flatten(0, 1).chunk(2)))


@LOSS_REGISTRY.register()
class ComponentLoss(nn.Module):
    """A loss of images on eyes and mouth, see :func:`component_loss`.

    GFP-GAN's style loss has a form here, too: ``loss: {type: PerceptualLoss, perceptual_weight: 0, style_weight: 1,
    layer_weights: {conv2_1: 1}}``, with features of VGG in the place of a discriminator's.

    Args:
        loss: ``type`` and arguments of any registered loss of two images.
        components: of ``left_eye``, ``right_eye`` and ``mouth``.
        size: side of the crops in pixels.
        enlarge: of the crops over the extent of the component's landmarks.
        loss_weight: factor on the result.

    Raises:
        OptionsError: an unknown component.
    """

    inner_blocks: ClassVar[dict[str, Any]] = {'loss': LOSS_REGISTRY}

    def __init__(
        self,
        loss: dict[str, Any] = {'type': 'L1Loss'},  # noqa: B006  never changed
        components: Sequence[Component] = COMPONENTS,
        size: Count = 32,
        enlarge: Positive = 1.4,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_components('ComponentLoss', components)
        arguments = dict(loss)
        self.loss = LOSS_REGISTRY.get(arguments.pop('type'))(**arguments)
        self.components, self.size, self.enlarge, self.loss_weight = list(components), size, enlarge, loss_weight

    def forward(self, sr: Tensor, hr: Tensor, landmarks: Tensor) -> Tensor:
        """Scalar, float32 or float64, of faces (N, 3, S, S) in [0, 1] and landmarks (N, L, 2) in their pixels."""
        crops = (self.components, self.size, self.enlarge)
        return self.loss_weight * component_loss(sr, hr, landmarks, self.loss, *crops)
