"""Options of datasets: what BasicSR's loaders read, and what each of ours does beside."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from rim_plugin.errors import OptionsError
from rim_plugin.options.kinds import ASCENDING, PAIR, Count, NotNegative, Positive, Range, Rate, Several, Size, about


class DatasetOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of every dataset, which BasicSR's loaders read."""

    name: Annotated[str | None, about('Name in the log and of the folder of results.')] = None
    type: Annotated[str | None, about('Class of the dataset.')] = None
    phase: Annotated[str | None, about('train, val or test; BasicSR sets it.')] = None
    scale: Annotated[Count | None, about('BasicSR sets it to that of the file.')] = None
    batch_size_per_gpu: Annotated[Count, about('Items of a batch, on each GPU; needed in training.')] = 1
    num_worker_per_gpu: Annotated[Size, about('Processes that make items; needed in training.')] = 0
    use_shuffle: Annotated[bool, about('BasicSR reads it; training always shuffles.')] = True
    dataset_enlarge_ratio: Annotated[Positive, about('How often the dataset is repeated in an epoch.')] = 1
    prefetch_mode: Annotated[Literal['cpu', 'cuda'] | None, about('Load the next batch ahead; ~ for not.')] = None
    num_prefetch_queue: Annotated[Count, about('With prefetch_mode cpu: batches ahead.')] = 1
    pin_memory: Annotated[bool, about('Page-locked memory, from which a GPU copies faster.')] = False
    persistent_workers: Annotated[bool, about('Keep the processes from epoch to epoch.')] = False


class BasicSRDatasetOptions(DatasetOptions, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys that many datasets of BasicSR and of others have."""

    mode: Annotated[str | None, about("BasicSR's.")] = None
    io_backend: Annotated[dict[str, Any] | None, about('Where images are; type: disk, lmdb or memcached.')] = None
    dataroot_gt: Annotated[str | list[str] | None, about('Folder or LMDB of the HR images.')] = None
    dataroot_lq: Annotated[str | list[str] | None, about('Folder or LMDB of the LR images.')] = None
    meta_info_file: Annotated[str | None, about('File that names the images.')] = None
    filename_tmpl: Annotated[str, about('Names of LR images, from those of HR images.')] = '{}'
    gt_size: Annotated[Count | None, about('Side of the HR crops.')] = None
    use_hflip: Annotated[bool, about('Mirror half of the items.')] = False
    use_rot: Annotated[bool, about('Rotate items by multiples of 90 degrees.')] = False
    color: Annotated[str | None, about('y for the Y channel alone.')] = None
    mean: Annotated[list[float] | None, about('Subtracted from each channel.')] = None
    std: Annotated[list[Positive] | None, about('Each channel is divided by it.')] = None


class BackendOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``io_backend`` of a prepared store."""

    type: Annotated[Literal['lmdb', 'disk'], about('How rim prepare wrote the store.')]


class AugmentOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``augment``: morphs of two faces, other poses and light, in training."""

    morph: Annotated[Rate, about('Share of faces that are morphs of two; needs landmarks.')] = 0
    blend_noise: Annotated[NotNegative, about('Deviation of the blend, log-odds; above 0, parts differ.')] = 0
    rotate: Annotated[NotNegative, about('Standard deviation of the rotation, degrees.')] = 0
    scale: Annotated[NotNegative, about('Standard deviation of the logarithm of the magnification.')] = 0
    shift: Annotated[NotNegative, about('Standard deviation of the displacement along either axis, pixels.')] = 0
    gamma: Annotated[NotNegative, about('Standard deviation of the logarithm of gamma.')] = 0
    from_iter: Annotated[Size, about('First iteration whose faces are changed.')] = 1


Quality = Annotated[float, Meta(ge=1, le=100)]
QualityRange = Annotated[Quality | Annotated[tuple[Quality, ...], PAIR], ASCENDING]
Factor = Annotated[float, Meta(ge=1)]
FactorRange = Annotated[Factor | Annotated[tuple[Factor, ...], PAIR], ASCENDING]


class BlurOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``degradation.blur``: before the reduction; lengths in pixels of the probe."""

    probability: Annotated[Rate, about('Share of probes with it.')] = 0.6
    sigma: Annotated[Range, about('Standard deviation of the Gaussian, from, to.')] = (0.2, 1.0)
    anisotropic: Annotated[Rate, about('Share of Gaussians with two deviations, at any angle.')] = 0.3
    motion: Annotated[Rate, about('Share of blurs that are a line, at any angle, and no Gaussian.')] = 0.15
    length: Annotated[Range, about('Length of that line, from, to.')] = (0.5, 3.0)


class ResizeOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``degradation.resize``: how often each kind of reduction is taken, in proportion."""

    area: Annotated[NotNegative, about('Mean of the pixels under each.')] = 0.3
    bilinear: Annotated[NotNegative, about('Bilinear, antialiased.')] = 0.3
    bicubic: Annotated[NotNegative, about('Bicubic, antialiased.')] = 0.3
    nearest: Annotated[NotNegative, about('The pixel in the middle; aliases.')] = 0.1

    def __post_init__(self) -> None:
        if not self.area + self.bilinear + self.bicubic + self.nearest:
            raise OptionsError('at least one of area, bilinear, bicubic and nearest has to be above 0')


class NoiseOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``degradation.noise``."""

    probability: Annotated[Rate, about('Share of probes with it.')] = 0.5
    sigma: Annotated[Range, about('Standard deviation of Gaussian noise, from, to, where white is 255.')] = (1.0, 12.0)
    poisson: Annotated[Rate, about('Share of noise that is Poisson, stronger where it is light.')] = 0.4
    poisson_scale: Annotated[Range, about('Its factor, from, to; at 1 a white pixel has 256 counts.')] = (0.05, 1.5)
    grey: Annotated[Rate, about('Share of noise that is the same in all three colours.')] = 0.4


class JpegOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``degradation.jpeg``."""

    probability: Annotated[Rate, about('Share of probes that are compressed.')] = 0.6
    quality: Annotated[QualityRange, about('Quality, from, to.')] = (30.0, 95.0)


class SecondOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``degradation.second``: reduced further, enlarged again, then noise and JPEG as the first time."""

    probability: Annotated[Rate, about('Share of probes with a second round.')] = 0.4
    factor: Annotated[FactorRange, about('Of that reduction, from, to; at least 7 pixels are left.')] = (1.0, 2.5)


class DegradationOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``degradation``: probes as cameras and the web make them."""

    probability: Annotated[Rate, about('Share of probes that are degraded; the others are only reduced.')] = 1
    blur: Annotated[BlurOptions, about('Gaussian or motion blur, before the reduction.')] = BlurOptions()
    resize: Annotated[ResizeOptions, about('Kinds of reduction.')] = ResizeOptions()
    noise: Annotated[NoiseOptions, about('Gaussian or Poisson noise.')] = NoiseOptions()
    jpeg: Annotated[JpegOptions, about('Compression.')] = JpegOptions()
    second: Annotated[SecondOptions, about('A second round: fewer details than pixels.')] = SecondOptions()
    seed: Annotated[Size, about("Of the choices outside training, with the face's name.")] = 0


Degradation = Annotated[
    DegradationOptions | Literal['none'],
    about('What becomes of probes beside the antialiased bicubic reduction; none, or ~, for nothing.'),
]


FaceRoot = Annotated[str, about('Folder that rim prepare made.')]
FaceBackend = Annotated[BackendOptions, about('Kind of store.')]
FaceList = Annotated[str | None, about('File of the faces to take, one a line; ~ for all.')]
Identities = Annotated[
    str | None, about('File of faces and persons, two words a line, - for nobody known; for identity losses.')
]


class FaceOptions(DatasetOptions, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of our datasets of faces for super-resolution."""

    query_size: Annotated[
        Count | Annotated[list[Count], Meta(min_length=1)],
        about('Side of the low-resolution probe, pixels; training draws from a list.'),
    ] = 28
    degradation: Degradation = 'none'
    query_sizes_per_batch: Annotated[
        Count | Literal['all'],
        about(
            "Draws a batch; several give probes of several sizes in one; all: every size as often, in the list's order."
        ),
    ] = 1
    prior_size: Annotated[Count, about('Side of heatmaps and parsing map, pixels.')] = 56
    heatmap_sigma: Annotated[Positive, about('Standard deviation of heatmaps, their pixels.')] = 1.3
    gt_size: Annotated[Count, about('Side of the faces, pixels; a check.')] = 224
    use_hflip: Annotated[bool, about('Mirror half of the items.')] = False


class FurtherFaces(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An item of ``more``: a store of faces with no more pixels than gt_size."""

    dataroot_gt: FaceRoot
    io_backend: FaceBackend
    meta_info_file: FaceList = None
    identities: Identities = None
    weight: Annotated[Positive, about("How often a face of it is drawn, over one of dataroot_gt's faces.")] = 1


class FacePriorOptions(FaceOptions, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """FacePriorDataset: aligned faces with landmarks and parsing maps."""

    dataroot_gt: FaceRoot
    io_backend: FaceBackend
    meta_info_file: FaceList = None
    max_faces: Annotated[Count | None, about('Take the first so many; ~ for all.')] = None
    held_out: Annotated[
        Rate, about('Share of the faces, drawn by name, that training leaves to validation; 0: all for both.')
    ] = 0
    priors: Annotated[bool, about('Give landmarks, heatmaps and parsing map; recognition needs none.')] = True
    identities: Identities = None
    more: Annotated[
        list[FurtherFaces],
        about('Further stores, of no larger faces; batches share them; hallucination does not learn from them.'),
    ] = []
    augment: Annotated[AugmentOptions | None, about('Changes of the faces, in training.')] = None
    on_device: Annotated[bool, about('Keep all faces on the GPU, or decoded in memory, and make batches there.')] = (
        False
    )


class DrawnFaceOptions(FaceOptions, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """DrawnFaceDataset: faces that the program draws."""

    num_identities: Annotated[Count, about('Persons.')]
    faces_per_identity: Annotated[Count, about('Faces of each.')] = 1
    first_identity: Annotated[Size, about('Number of the first person; training and validation must not overlap.')] = 0
    seed: Annotated[Size, about('Another seed gives other persons.')] = 0
    gt_size: Annotated[Literal[224], about('Side of the faces, pixels; a check.')] = 224


class PairOptions(DatasetOptions, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of our datasets of pairs of faces."""

    query_size: Annotated[Count, about('Side of the low-resolution probe, pixels.')] = 28
    degradation: Degradation = 'none'
    probe_side: Annotated[Literal['none', 'first', 'second', 'both'], about('Which of a pair is the probe.')] = 'second'
    identification: Annotated[bool, about("Rank probes, too, in a gallery of everybody's first image.")] = False


class FacePairOptions(PairOptions, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """FacePairDataset: LFW's pairs.txt, lists like it, insightface's .bin."""

    dataroot_gt: Annotated[str, about("A prepared store, a folder of photos (with landmarks) or insightface's .bin.")]
    io_backend: Annotated[BackendOptions | None, about('Kind of store; needed for one.')] = None
    pair_list: Annotated[str | None, about('File with the pairs; a .bin is its own.')] = None
    landmarks: Annotated[
        str | None,
        about('For a folder of photos: annotations by which they are aligned, or aligned where they are already.'),
    ] = None
    gt_size: Annotated[Count | None, about('Side of the faces, pixels; ~ for 224, in a .bin 112.')] = None


class DrawnPairOptions(PairOptions, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """DrawnPairDataset: pairs of faces that the program draws."""

    num_identities: Annotated[Several, about('Persons, two a fold at least.')]
    faces_per_identity: Annotated[Several, about('Faces of each.')]
    first_identity: Annotated[Size, about('Number of the first person; a training must have others.')] = 0
    seed: Annotated[Size, about('Another seed gives other persons.')] = 0
    folds: Annotated[Several, about('Folds of the verification.')] = 10


class NativeOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A set of faces that are small by nature, as it is published."""

    layout: Annotated[
        Literal['tinyface', 'survface', 'scface', 'ijb'],
        about('TinyFace, QMUL-SurvFace, SCface, or IJB-B and IJB-C as insightface hands them on.'),
    ]
    dataroot_gt: Annotated[str, about('Its folder: with Testing_Set, Face_Identification_Test_Set, photos, or meta.')]
    landmarks: Annotated[
        str | None,
        about('Annotations by which the images are aligned; ~: by its own points, or crops of the face as they are.'),
    ] = None


# BasicSR's datasets of single images do not declare their keys; these are the folders they cannot do without.
BASICSR_ROOTS = {
    'FFHQDataset': ('dataroot_gt',),
    'PairedImageDataset': ('dataroot_gt', 'dataroot_lq'),
    'RealESRGANDataset': ('dataroot_gt',),
    'RealESRGANPairedDataset': ('dataroot_gt', 'dataroot_lq'),
    'SingleImageDataset': ('dataroot_lq',),
}


def require_batch(length: int, block: Mapping[str, Any], ranks: int) -> None:
    """OptionsError unless a dataset to train on, of so many items, has a whole batch for all ranks."""
    batch, ratio = block['batch_size_per_gpu'], block.get('dataset_enlarge_ratio', 1)
    if math.ceil(length * ratio) // ranks < batch:
        raise OptionsError(
            f'{length} images are fewer than one batch of {batch} x {ranks}; lower batch_size_per_gpu or raise '
            'dataset_enlarge_ratio'
        )
