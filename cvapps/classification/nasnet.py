"""NASNet: two cells that a search found, repeated; the cells are data, so another search's cells build too.

Zoph et al. 2017, arXiv:1707.07012, Figure 2 (the stack) and Figure 4 (NASNet-A's cells); N @ P is
`depth` @ `penultimate`. The first convolution, the order of channels and the padding are those of the published
weights. Deviations: no dropout before the logits, no dropped paths, no auxiliary classifier.
"""

import keras

from cvapps.blocks import Norm, Pixels, activate, conv_norm, endpoint, picture
from cvapps.classification.nasnet_cells import Cell, cell, previous_state
from cvapps.registry import Paper, register

NASNET_A_NORMAL = Cell(
    steps=(
        ("separable5x5", 1, "separable3x3", 0),
        ("separable5x5", 0, "separable3x3", 0),
        ("average3x3", 1, "identity", 0),
        ("average3x3", 0, "average3x3", 0),
        ("separable3x3", 1, "identity", 1),
    ),
    joined=(0, 2, 3, 4, 5, 6),
)
NASNET_A_REDUCTION = Cell(
    steps=(
        ("separable5x5", 1, "separable7x7", 0),
        ("max3x3", 1, "separable7x7", 0),
        ("average3x3", 1, "separable5x5", 0),
        ("identity", 3, "average3x3", 2),
        ("separable3x3", 2, "max3x3", 1),
    ),
    joined=(3, 4, 5, 6),
)


def nasnet(
    depth: int,
    penultimate: int,
    stem: int,
    skip_reduction: bool = False,
    normal: Cell = NASNET_A_NORMAL,
    reduction: Cell = NASNET_A_REDUCTION,
    norm: Norm = "batch",
    pixels: Pixels = "centred",
    num_classes: int | None = 1000,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
    name: str = "nasnet",
) -> keras.Model:
    """(N, H, W, 3) -> logits (N, num_classes); or features {"C2": stride 4, ..., "C5": stride 32}.

    `depth` normal cells in each of the three stages, which end in `penultimate` channels with the paper's cells; `stem`
    channels of the first convolution. `skip_reduction`: the cell behind a reduction reads the cell before the
    reduction's input, too. Raises ValueError where `penultimate` is not a multiple of 24 x 4.
    """
    if penultimate % 96:
        raise ValueError(f"expected a penultimate width that 96 divides, not {penultimate}")
    filters = penultimate // 24  # six states are joined, and each of two reductions doubles
    image, x = picture(input_shape, pixels, smallest=3)
    x = conv_norm(x, stem, 3, 2, norm=norm, epsilon=1e-3, padding="valid", name="stem")
    plan = [("stem1", reduction, filters // 4, 2), ("stem2", reduction, filters // 2, 3)]
    for stage in (3, 4, 5):
        width = filters * 2 ** (stage - 3)
        plan += [(f"stage{stage}_reduce", reduction, width, stage)] if stage > 3 else []
        plan += [(f"stage{stage}_cell{i}", normal, width, stage) for i in range(1, depth + 1)]
    previous, finer, features = x, False, {}
    for place, genotype, width, level in plan:
        strided = genotype is reduction
        before = x if place == "stem1" else previous_state(previous, width, finer, f"{place}_previous", norm)
        y = cell(x, before, genotype, width, 2 if strided else 1, place, norm)
        previous = previous if skip_reduction and place.endswith("reduce") else x
        x, finer = y, strided
        features[f"C{level}"] = x
    features["C5"] = activate(x, "relu", "last")
    return endpoint(image, features, num_classes, name)


VARIANTS: dict[str, dict] = {
    "nasnet_mobile": dict(depth=4, penultimate=1056, stem=32),
    "nasnet_large": dict(depth=6, penultimate=4032, stem=96, skip_reduction=True, input_shape=(331, 331, 3)),
}

ZOPH_2017 = Paper(
    "Zoph, Vasudevan, Shlens, Le",
    2017,
    "Learning Transferable Architectures for Scalable Image Recognition",
    "https://arxiv.org/abs/1707.07012",
)
register("classification", nasnet, VARIANTS, ZOPH_2017, systems=[30])
