"""RIM's heterogeneous recognition sub-net, section 3.2 of the paper: student and assistant."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor, nn

from rim_plugin.archs.layers import he_init
from rim_plugin.archs.recogniser import Recogniser
from rim_plugin.archs.regrid import Regrid
from rim_plugin.archs.resnet_arch import ResNet
from rim_plugin.errors import OptionsError, check_choice
from rim_plugin.options.kinds import PAIR, NotNegative, Positive

from basicsr.utils.registry import ARCH_REGISTRY

RESNET34 = {'type': 'ResNet', 'depth': 34}
Head = Literal['teacher', 'own']
View = Literal['sr', 'probe']
Fusion = Literal['sum', 'mean']
SizeWeight = Annotated[tuple[NotNegative, ...], PAIR]
FUSION = {'sum': 1.0, 'mean': 0.5}
BRANCHES = ('student', 'assistant')


class Scale(nn.Module):
    """A learnable factor for each channel of (N, C, h, w); zero at the start in ReZero (Bachlechner et al. 2020)."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, 1, 1), float(start)))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight


class Branch(nn.Module):
    """A recogniser ``net`` whose K block maps are brought to the shapes of the teacher's.

    Args:
        net: with as many blocks; where it has other channels, a 1x1 convolution follows, on other grids a Regrid.
        teacher: not kept.
        scale: multiply every map by a Scale that starts there: from zero, an untrained network gives zero. None: no
            Scale.
        norm_eval: BatchNorm keeps and uses its running statistics in training, too.

    Shapes:
        image (N, 3, h, w), RGB in [0, 1], to the K maps (N, channels of the teacher's block, h_k, w_k).
    """

    def __init__(self, net: Recogniser, teacher: Recogniser, scale: float | None, norm_eval: bool) -> None:
        super().__init__()
        self.net, self.norm_eval = net, norm_eval
        self.adapters = nn.ModuleList()
        same_crop = tuple(net.crop) == tuple(teacher.crop)
        infos, grids = zip(net.feature_info, teacher.feature_info, strict=True), zip(net.grids(), teacher.grids())
        for ((channels, _), (wanted, _)), (grid, wanted_grid) in zip(infos, grids, strict=True):
            adapter = nn.Identity() if channels == wanted else nn.Conv2d(channels, wanted, 1)
            layers = nn.Sequential(adapter, nn.Identity() if scale is None else Scale(wanted, scale))
            if grid != wanted_grid or not same_crop:
                layers.append(Regrid(grid, net.crop, wanted_grid, teacher.crop))
            self.adapters.append(layers)
        he_init(self.adapters)
        self.train()

    def train(self, mode: bool = True) -> 'Branch':
        """As in every module; with ``norm_eval`` BatchNorm stays in evaluation mode."""
        super().train(mode)
        if self.norm_eval:
            for layer in self.modules():
                if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                    layer.eval()
        return self

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        maps = self.net.block_maps(self.net.prepare(image))
        return tuple(adapter(block) for adapter, block in zip(self.adapters, maps, strict=True))


class HRNOutput(NamedTuple):
    """What HRN makes of a probe.

    Attributes:
        student: f_S^1 to f_S^K, block maps (N, C_k, h_k, w_k) in the shapes of the teacher's; empty without student.
        assistant: f_A^1 to f_A^K, the same shapes; empty without assistant.
        fused: f_S^K + f_A^K (N, C_K, h_K, w_K), times the factor of ``fusion``; or that of the two which is there.
        embedding: (N, D), not normalised, of ``fused`` by the own head; None for ``head: teacher``.
    """

    student: tuple[Tensor, ...]
    assistant: tuple[Tensor, ...]
    fused: Tensor
    embedding: Tensor | None


@ARCH_REGISTRY.register()
class HRN(nn.Module):
    """Heterogeneous recognition network: student and assistant, block by block like a teacher (section 3.2).

    The paper: teacher ResNet50-IR, student and assistant ResNet34. ``student`` and ``assistant`` are Branches, each
    with all that its phase trains: the network, its adapters, the own head (student) or the scales (assistant).

    Args:
        teacher: options of the teacher's network, e.g. ``{type: IResNet}``; RIMModel fills it in. Read for its
            feature_info, crop and normalisation: no teacher is kept.
        student: ``type: ResNet`` (with ``depth``: 18 or 34) matches any teacher by construction; else a registered
            recogniser and its arguments.
        assistant: likewise; None for no assistant.
        head: ``teacher``: the teacher's frozen head embeds the fused map | ``own``: the student's head, which only a
            loss on the embedding trains.
        adapters: bridge other channels than the teacher's by 1x1 convolutions and other grids by interpolation;
            without, both are an error.
        norm_eval: BatchNorm keeps and uses its running statistics in training: all faces of a batch may have one
            probe size, and so other statistics than at inference. For networks that start from trained weights.
        assistant_view: what the assistant sees: ``sr``: the student's image, as in the paper | ``probe``: the probe
            itself, enlarged by bicubic interpolation, with what hallucination loses.
        assistant_scale: factor of the assistant's maps at the start. Zero suits Eq. 12: an untrained assistant has no
            residual. Above zero suits an assistant that starts from the teacher's weights: its maps are another
            estimate of the teacher's, beside the student's.
        fusion: ``sum``: f_S^K + f_A^K, as in the paper | ``mean``: half of it, which keeps the scale that the head
            knows where both estimate the teacher's maps | another factor above 0: the smaller it is, the more the
            head's bias draws embeddings together, most those of weak maps, of which the networks are unsure.
        teacher_weights: pairs of a probe's side in pixels and the weight, beside the fused embedding's 1, of the
            teacher's own embedding of the probe enlarged by bicubic interpolation: linear in log2 of the side, constant
            beyond. The larger a probe, the less the teacher needs help. Empty: none.

    Shapes:
        image (N, 3, h, w), RGB in [0, 1], resized to 112, to HRNOutput.

    Raises:
        OptionsError: a teacher, student or assistant that is no recogniser or does not match the teacher; an unknown
            ``head``, ``assistant_view`` or ``fusion``.
    """

    inner_blocks: ClassVar[dict[str, Any]] = {'student': {'ResNet': ResNet}, 'assistant': {'ResNet': ResNet}}

    def __init__(
        self,
        teacher: dict[str, Any],
        student: dict[str, Any] = RESNET34,
        assistant: dict[str, Any] | None = RESNET34,
        head: Head = 'teacher',
        adapters: bool = False,
        norm_eval: bool = False,
        assistant_view: View = 'sr',
        assistant_scale: float = 0.0,
        fusion: Fusion | Positive = 'sum',
        teacher_weights: Sequence[SizeWeight] = (),
    ) -> None:
        super().__init__()
        check_choice('head', head, get_args(Head))
        check_choice('assistant_view', assistant_view, get_args(View))
        if isinstance(fusion, str):
            check_choice('fusion', fusion, FUSION)
        self.own_head, self.sees_probe = head == 'own', assistant is not None and assistant_view == 'probe'
        self.fusion_weight = FUSION[fusion] if isinstance(fusion, str) else fusion
        self.teacher_weights = sorted((int(side), float(weight)) for side, weight in teacher_weights)
        with torch.device('meta'):  # its description alone: no memory, no time, no random numbers
            like = _build('teacher', teacher)
        self.student = Branch(_matching('student', student, like, adapters, self.own_head), like, None, norm_eval)
        self.assistant = (
            None
            if assistant is None
            else Branch(_matching('assistant', assistant, like, adapters), like, assistant_scale, norm_eval)
        )

    def forward(
        self, image: Tensor | None, probe: Tensor | None = None, branches: Collection[str] = BRANCHES
    ) -> HRNOutput:
        """Block maps and embedding of faces.

        Args:
            image: (N, 3, h, w), RGB in [0, 1], aligned faces of any size; None where no branch looks at it.
            probe: (N, 3, h, w), likewise, for an assistant that sees other faces than the student.
            branches: ``student``, ``assistant`` or both.

        Returns:
            Without the maps of a branch that is left out, or of an assistant that there is not.
        """
        student: tuple[Tensor, ...] = self.student(image) if 'student' in branches else ()
        if self.assistant is None or 'assistant' not in branches:
            return self._output(student, (), student[-1])
        view = image if probe is None else probe
        if view is None:
            raise ValueError('the assistant has neither image nor probe')
        assistant = self.assistant(view.detach())  # Eq. 12 is theta_A's alone: what made the image learns by Eq. 11
        fused = self.fusion_weight * (student[-1] + assistant[-1]) if student else assistant[-1]
        return self._output(student, assistant, fused)

    def _output(self, student: tuple[Tensor, ...], assistant: tuple[Tensor, ...], fused: Tensor) -> HRNOutput:
        # within forward, so that DistributedDataParallel sees the head at work
        return HRNOutput(student, assistant, fused, self.student.net.head(fused) if self.own_head else None)

    @staticmethod
    def embed(output: HRNOutput, teacher: Recogniser | None) -> Tensor:
        """The embedding (N, D), not normalised, by the head of the options.

        Args:
            output: of :meth:`forward`.
            teacher: with its weights; only ``head: teacher`` uses it.
        """
        if output.embedding is not None:
            return output.embedding
        if teacher is None:
            raise ValueError('head: teacher embeds with the head of the teacher, and there is none')
        return teacher.head(output.fused)

    def teacher_weight(self, side: int) -> float:
        """Weight of the teacher's embedding for probes of ``side`` pixels, see ``teacher_weights``; 0 without them."""
        if not self.teacher_weights:
            return 0.0
        sides, weights = zip(*self.teacher_weights)
        return float(np.interp(np.log2(side), np.log2(sides), weights))

    def start_from(self, teacher: Recogniser) -> None:
        """Copy the teacher's weights into the student, and into an assistant of its architecture; scales stay as is.

        Raises:
            OptionsError: the student is another network than the teacher.
        """
        if not _same_network(self.student.net, teacher):
            raise OptionsError(
                f'start_from: the student, {_describe(self.student.net)}, cannot take the weights of the '
                f'teacher, {_describe(teacher)}; give the student the type and options of the teacher'
            )
        for branch in (self.student, self.assistant):
            if branch is not None and _same_network(branch.net, teacher):
                weights = teacher.state_dict()
                branch.net.load_state_dict({key: weights[key] for key in branch.net.state_dict()})


def template_options(hrn: Mapping[str, Any], teacher: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The argument ``teacher`` of an HRN: options of the teacher, or else of a student with its own head.

    Args:
        hrn: its options.
        teacher: options of the teacher's network, if there is one.

    Returns:
        None where there is neither.
    """
    template = teacher or (hrn.get('student') if hrn.get('head') == 'own' else None)
    return None if template is None else dict(template)


def _build(role: str, options: dict[str, Any]) -> Recogniser:
    options = dict(options)
    cls = ARCH_REGISTRY.get(options.pop('type'))
    if not issubclass(cls, Recogniser):
        raise OptionsError(f'{role}: {cls.__name__} is no recogniser, as IResNet, MobileFaceNet and TimmRecogniser are')
    return cls(**options)


def _matching(
    role: str, options: dict[str, Any], teacher: Recogniser, adapters: bool, own_head: bool = False
) -> Recogniser:
    """Student or assistant from its options, with a head only where it is used; checked against the teacher."""
    if options.get('type', 'ResNet') == 'ResNet':
        net: Recogniser = ResNet(teacher, **{key: value for key, value in options.items() if key != 'type'})
    else:
        net = _build(role, options)
        _require_match(role, net, teacher, adapters, own_head)
    if not own_head:
        net.drop_head()
    return net


def _require_match(role: str, net: Recogniser, teacher: Recogniser, adapters: bool, own_head: bool) -> None:
    bridged = len(net.feature_info) == len(teacher.feature_info)
    ours, theirs = ((each.feature_info, each.grids(), tuple(each.crop)) for each in (net, teacher))
    if ours != theirs and not (adapters and bridged):
        hint = '; adapters: true bridges channels and grids' if bridged else '; they need as many blocks'
        raise OptionsError(f'{role}: {_describe(net)} does not match the teacher, {_describe(teacher)}{hint}')
    if own_head and (net.feature_info[-1], net.embedding_size) != (teacher.feature_info[-1], teacher.embedding_size):
        raise OptionsError(f'head: own: {role} {_describe(net)} has to end like the teacher, {_describe(teacher)}')


def _describe(net: Recogniser) -> str:
    grids = zip(net.feature_info, net.grids())
    maps = ', '.join(f'{info.channels}/{info.stride} {rows}x{columns}' for info, (rows, columns) in grids)
    return (
        f'{type(net).__name__} (blocks of channels/stride and pixels {maps}, columns {net.crop[0]} to {net.crop[1]}, '
        f'embedding {net.embedding_size}-D)'
    )


def _same_network(net: Recogniser, teacher: Recogniser) -> bool:
    """Whether a network, with or without head, is one like the teacher."""
    ours, theirs = ({key: value.shape for key, value in each.state_dict().items()} for each in (net, teacher))
    alike = type(net) is type(teacher) and ours.items() <= theirs.items()
    return alike and (net.mean, net.std, net.crop) == (teacher.mean, teacher.std, teacher.crop)
