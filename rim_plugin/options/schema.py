"""stub until h1"""
from typing import Any, Literal
import msgspec
class TrainOptions(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    total_iter: int
    warmup_iter: int = -1
    ema_decay: float = 0.0
    scheduler: dict | None = None
class RIMTrain(TrainOptions, kw_only=True, frozen=True, forbid_unknown_fields=True):
    phase: str | None = None
    phases: dict[str, int] | None = None
    grad_clip: float | None = None
    domain_interval: int = 1
    start_from_teacher: bool = False
    assistant_target: Literal['sum', 'own'] = 'sum'
    classifier_lr: float | None = None
    amp: Literal['none', 'bf16', 'fp16'] = 'none'
    channels_last: bool = True
    compile: bool = False
    accumulate: int = 1
class ValOptions(msgspec.Struct, kw_only=True, frozen=True):
    val_freq: int | None = None
    save_img: bool = False
    metrics: dict | None = None
    batch_size: int = 16
    num_workers: int = 0
    num_pictures: int = 8
    pbar: bool = False
    suffix: str | None = None
    mirror: bool = False
    gallery: Literal['teacher', 'hrn'] = 'teacher'
def convert(block, struct, file='', path=''):
    try:
        return msgspec.convert({k: v for k, v in block.items() if v is not None}, struct, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f'{path}.{error}') from None
