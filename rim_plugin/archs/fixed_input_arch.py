"""Probes of any size for networks that enlarge by a fixed factor, such as BasicSR's own EDSR and SwinIR."""

from typing import Any, ClassVar

from torch import Tensor, nn

from rim_plugin.archs.layers import resize
from rim_plugin.building import build_network
from rim_plugin.options.kinds import Count

from basicsr.utils.registry import ARCH_REGISTRY


@ARCH_REGISTRY.register()
class FixedInput(nn.Module):
    """Any registered SR network behind a resize of the probe to ``input_size``, by (antialiased) bicubic.

    A larger probe loses what detail it has beyond ``input_size``.

    Args:
        net: ``type`` and arguments of the network, e.g. ``{type: EDSR, num_in_ch: 3, ..., upscale: 8}``.
        input_size: side of its input; 28 for a network that enlarges by 8 to 224.

    Shapes:
        lq (N, 3, h, w) in [0, 1], any h and w, to what ``net`` makes of (N, 3, input_size, input_size).
    """

    inner_blocks: ClassVar[dict[str, Any]] = {'net': {}}

    def __init__(self, net: dict[str, Any], input_size: Count = 28) -> None:
        super().__init__()
        self.input_size = input_size
        self.net = build_network(net)

    def forward(self, lq: Tensor) -> Tensor:
        return self.net(resize(lq, self.input_size))
