"""Every option of an options file, once: key, type, default, meaning. The checks, ``options/schema.json`` and
``docs/options.md`` come from here (``scripts/make_schema.py``).

Blocks with a ``type`` (networks, losses, metrics, optimizers, schedulers) have the arguments of that class as keys, see
:mod:`rim_plugin.options.arguments`.
"""

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct, field

from rim_plugin.options.datasets import Degradation, NativeOptions
from rim_plugin.options.kinds import LARGEST, Count, NotNegative, Rate, Size, about


class DistOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``dist_params``, which BasicSR reads with ``--launcher slurm``."""

    backend: Annotated[Literal['nccl', 'gloo', 'mpi'], about('How processes exchange tensors; gloo for CPUs.')] = 'nccl'
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None, about('TCP port of the first process; ~ for MASTER_PORT or 29500.')
    ] = None


class Options(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The keys of a whole file. Beside them stand the networks, ``network_g`` and so on: blocks with a ``type``."""

    open_keys: ClassVar[tuple[str, ...]] = ('network_*',)

    name: Annotated[str, about('Name of the run: its folder under experiments/ or results/.')]
    model_type: Annotated[str, about('Who trains and validates: RIMModel, BaselineModel, a model of BasicSR.')]
    num_gpu: Annotated[Size | Literal['auto'], about('GPUs to use: 0 for the CPU, auto for all there are.')]
    scale: Annotated[Count | None, about('Enlargement of the SR network, for BasicSR.')] = None
    manual_seed: Annotated[Size | None, about('Seed of every random draw; ~ draws one.')] = None
    datasets: Annotated[dict[str, Any], about('Datasets: train, and any number of val, val_NAME, test, test_NAME.')]
    path: Annotated[dict[str, Any], about('Weights and training state to begin with.')]
    train: Annotated[dict[str, Any] | None, about('How it is trained.')] = None
    val: Annotated[dict[str, Any] | None, about('How it is validated; ~ for not at all.')] = None
    logger: Annotated[dict[str, Any] | None, about('What is written while it trains.')] = None
    dist_params: Annotated[DistOptions | None, about('Distributed training: backend and port.')] = None
    find_unused_parameters: Annotated[bool, about('Distributed: steps leave weights out; RIMModel sets it.')] = False


class PathOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``path``; beside these keys :class:`NetworkPathOptions`, for each network."""

    resume_state: Annotated[str | None, about('Training state (.state) to go on from.')] = None
    ignore_resume_networks: Annotated[list[str] | None, about('Networks whose weights resuming leaves alone.')] = None


class NetworkPathOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of ``path`` that end in a network's letter: ``pretrain_network_g`` for ``network_g``."""

    pretrain_network: Annotated[str | None, about('File of weights to begin with: .pth or .safetensors.')] = None
    strict_load: Annotated[bool, about('Whether names and shapes of all weights have to agree.')] = True
    param_key: Annotated[
        str | None, about('Which weights of a .pth: params, or params_ema, the averaged ones; ~ for the file as it is.')
    ] = 'params'


class TrainOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of block ``train`` that BasicSR reads.

    Losses (``pixel_opt``) and optimizers (``optim_g``) are blocks with a ``type``; the model says which it has.
    """

    open_keys: ClassVar[tuple[str, ...]] = ('*_opt', 'optim_*')

    total_iter: Annotated[Count, about('Iterations of the whole training.')]
    warmup_iter: Annotated[
        Annotated[int, Meta(ge=-1, le=LARGEST)],
        about('Iterations of rising learning rate (RIMModel: in each phase); -1: none.'),
    ] = -1
    scheduler: Annotated[
        dict[str, Any],
        about('Course of the learning rate: a block with a type, of BasicSR or torch.optim.lr_scheduler.'),
    ]
    ema_decay: Annotated[Rate, about('Decay of the moving average of the weights; 0 for no average.')] = 0


class _FaceTrain(TrainOptions, kw_only=True, frozen=True, forbid_unknown_fields=True):
    channels_last: Annotated[bool, about('Memory format of images and networks; far faster on a CPU.')] = True


class RIMTrain(_FaceTrain, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``train`` of RIMModel."""

    phase: Annotated[str | None, about('The only phase: fhn, student, assistant or joint. Without network_r: fhn.')] = (
        None
    )
    phases: Annotated[dict[str, Count] | None, about('Phases in order, with iterations, total_iter in all.')] = None
    start_from_teacher: Annotated[bool, about("Student and assistant begin with the teacher's weights.")] = False
    assistant_target: Annotated[
        Literal['sum', 'own'], about('What losses see in phase assistant: f_S + f_A (Eq. 12), or f_A alone.')
    ] = 'sum'
    grad_clip: Annotated[NotNegative | None, about('Largest gradient norm of each part; ~ or 0 for any.')] = None
    domain_interval: Annotated[Count, about('The domain loss is computed every that many iterations.')] = 1
    classifier_lr: Annotated[NotNegative | None, about('Learning rate of identity_opt; ~ for that of optim_s.')] = None
    accumulate: Annotated[Count, about('Micro-batches of a step; has to divide the batch.')] = 1
    amp: Annotated[Literal['none', 'bf16', 'fp16'], about('Mixed precision.')] = 'none'
    compile: Annotated[bool, about('Compile the networks whose input keeps its shape.')] = False
    captured: Annotated[
        bool, about('On a GPU: record steps as CUDA graphs, one for each shape of batches, and replay them.')
    ] = False


class BaselineTrain(_FaceTrain, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``train`` of BaselineModel."""

    level_weights: Annotated[list[NotNegative] | None, about("Weights of a pyramid's levels, smallest first.")] = None
    grad_clip: Annotated[NotNegative | None, about('Largest gradient norm; ~ or 0 for any.')] = None
    clip_over_lr: Annotated[bool | None, about('Divide grad_clip by the learning rate, as VDSR does.')] = False
    last_layer_lr: Annotated[NotNegative | None, about("Factor of the last layer's learning rate (SRCNN: 0.1).")] = None


class BaselineGANTrain(_FaceTrain, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``train`` of BaselineGANModel: BasicSR's ESRGANModel."""

    net_d_iters: Annotated[Count, about('The generator makes one step every that many iterations.')] = 1
    net_d_init_iters: Annotated[Size, about('Iterations of the discriminator alone, at the start.')] = 0


class BasicSRVal(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of block ``val`` that BasicSR reads."""

    val_freq: Annotated[Count | None, about('Validate every that many iterations; needed in training.')] = None
    save_img: Annotated[bool, about('Write pictures: a sheet in training, every face in tests.')]
    metrics: Annotated[
        dict[str, Any] | None, about('Metrics by their name in the log: blocks with a type; better: higher or lower.')
    ] = None
    pbar: Annotated[bool, about('Show a progress bar.')] = False
    suffix: Annotated[str | None, about("Ending of the pictures' names; ~ for the name of the run.")] = None


class BaselineVal(BasicSRVal, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``val`` of BaselineModel and BaselineGANModel."""

    batch_size: Annotated[Count, about('Faces at a time.')] = 16
    num_workers: Annotated[Size, about('Processes that read faces.')] = 0
    num_pictures: Annotated[Size, about('Faces in the sheet of pictures.')] = 8


class ValOptions(BaselineVal, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``val`` of RIMModel."""

    mirror: Annotated[bool, about('Add the embedding of the mirror image to that of the face; twice the time.')] = False
    gallery: Annotated[
        Literal['teacher', 'hrn'] | None,
        about('Who embeds HR faces: hrn if the student was not trained to match the teacher; ~: the teacher, if any.'),
    ] = None


class WandbOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``logger.wandb``."""

    project: Annotated[str | None, about('Project of Weights & Biases; ~ for none.')] = None
    resume_id: Annotated[str | None, about('Its run to go on with.')] = None


class LoggerOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``logger``."""

    print_freq: Annotated[Count, about('A line in the log every that many iterations.')]
    save_checkpoint_freq: Annotated[Count, about('Save weights and training state every that many iterations.')]
    use_tb_logger: Annotated[bool, about('Write for TensorBoard, under tb_logger/.')]
    wandb: Annotated[WandbOptions | None, about('Weights & Biases.')] = None


class RobustnessOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Block ``robustness`` of a benchmark: every method on probes of several kinds."""

    degradations: Annotated[
        dict[str, Degradation | None], about('Kinds of probes by name; none: reduced alone; ~ takes one away.')
    ]
    query_size: Annotated[Count, about('Side of the probes of pair_sets, pixels.')] = 28
    sets: Annotated[list[str] | None, about('Of sr_sets and pair_sets; ~ for all.')] = None


ProbeSizes = Annotated[list[Count | Literal['full']], Meta(min_length=1)]


class MethodOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One method of a benchmark, a row of its tables."""

    options: Annotated[str, about('Its options file.')]
    title: Annotated[str | None, about('Its name in the tables; ~ for its key.')] = None
    force: Annotated[list[str] | None, about('Changes to its options, as --force_yml takes them.')] = None
    weights: Annotated[
        dict[str, str] | None, about('Weights by letter of the network; the others where its training leaves them.')
    ] = None
    recogniser: Annotated[dict[str, Any] | None, about("Another recogniser than the benchmark's.")] = None
    tables: Annotated[list[Literal['sr', 'recognition']], about('Tables in which it has a row.')] = field(
        default_factory=lambda: ['sr', 'recognition']
    )
    paper: Annotated[str | None, about("Row of the paper's tables whose figures stand beside.")] = None
    query_sizes: Annotated[ProbeSizes | None, about("At which of the benchmark's probe sizes it is verified.")] = None
    trained: Annotated[str | None, about('What the training of weights from elsewhere took, for the tables.')] = None


class BenchmarkOptions(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A file for ``scripts/benchmark.py``."""

    name: Annotated[str, about('Name of the report.')]
    methods: Annotated[dict[str, MethodOptions | None], about('Rows of the tables in order; ~ takes one away.')]
    output: Annotated[str, about("Folder of the report's folder.")] = 'results/benchmark'
    reference: Annotated[str | None, about('The method with which others are compared; ~ for the last.')] = None
    recogniser: Annotated[
        dict[str, Any] | None,
        about('Network of gallery faces, of probes where there is no network_r, and of the identity similarity.'),
    ] = None
    mirror: Annotated[bool, about('Add the embedding of the mirror image to that of the face; twice the time.')] = False
    sr_sets: Annotated[dict[str, dict[str, Any]] | None, about('Datasets of faces for the SR tables.')] = None
    pair_sets: Annotated[dict[str, dict[str, Any]] | None, about('Datasets of pairs for the recognition tables.')] = (
        None
    )
    native_sets: Annotated[
        dict[str, NativeOptions | None] | None,
        about('Published sets of faces that are small by nature, by name; ~ takes one away.'),
    ] = None
    query_sizes: Annotated[ProbeSizes, about('Sides of the probes of pair_sets, in pixels, or full.')] = field(
        default_factory=lambda: [28]
    )
    robustness: Annotated[RobustnessOptions | None, about('Probes of several kinds; ~ for none.')] = None
    pictures: Annotated[Size, about('Faces in the picture grid.')] = 4
    browse: Annotated[
        Size, about("Faces of each set in the page's browser: by turns the worst and best of methods.")
    ] = 24
    metrics: Annotated[
        dict[str, dict[str, Any] | None] | None,
        about('Further metrics of faces by column, blocks with a type; one whose file is ~ says so; ~ takes one away.'),
    ] = None
    train_missing: Annotated[bool, about('Train methods whose weights are not there, by their own options.')] = False
    force: Annotated[list[str] | None, about('Changes to the options of every method that is trained.')] = None
