"""What a run is: one frozen dataclass, in the order in which the run happens, and typed changes to it."""

import ast
import importlib
import pkgutil
import typing
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

from cvapps.registry import check_type, nearest


@dataclass(frozen=True)
class Data:
    """Pictures and labels, and what is done to a picture before the network sees it."""

    source: str = "digits"  # "digits", "tfds:NAME", "folder:PATH" of class folders, "arrays:PATH" of an .npz
    held_out: float = 0.2  # part kept for validation, stratified by class, where the source has no split of its own
    size: tuple[int, int] = (32, 32)  # height, width that the network is given
    eval_crop: float = 1.0  # validation: the shorter side is resized to size / eval_crop, then the centre is cut
    augment: tuple[str, ...] = ()  # names from data/augment.py, in this order, training only
    batch: int = 128
    cache: bool = True  # decoded validation pictures, and raw training bytes, stay in memory
    max_bad: float = 0.01  # part of the pictures that may be unreadable; more is an error
    threads: int = 0  # for decoding and augmenting; 0 lets tf.data choose


@dataclass(frozen=True)
class Optimizer:
    """The update rule."""

    name: Literal["sgd", "adamw", "rmsprop"] = "sgd"
    learning_rate: float = 0.1  # at its highest
    momentum: float = 0.9
    weight_decay: float = 1e-4  # of kernels only: no bias, no normalization weight
    clip_norm: float | None = None  # of the gradient of all weights together


@dataclass(frozen=True)
class Schedule:
    """The learning rate over the run, as a part of the optimizer's."""

    name: Literal["constant", "cosine", "step"] = "cosine"
    warmup_epochs: float = 0.0  # linear from zero
    drop_epochs: tuple[float, ...] = ()  # where "step" multiplies by drop_factor
    drop_factor: float = 0.1


@dataclass(frozen=True)
class Recipe:
    """One run: command, hardware, time and expected result stand in its file's docstring."""

    model: str
    settings: dict[str, Any] = field(default_factory=dict)  # of the model's row
    data: Data = Data()
    epochs: int = 30
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    label_smoothing: float = 0.0
    ema: float | None = None  # momentum of the weights' moving average, which validation and export then use
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "mixed_bfloat16"
    jit: bool = False  # XLA: twice as slow on a CPU, faster on a GPU
    strategy: Literal["default", "mirrored"] = "default"
    checkpoint_steps: int = 200  # also after every epoch
    seed: int = 0
