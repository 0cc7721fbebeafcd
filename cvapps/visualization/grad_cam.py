"""Grad-CAM: where in a layer's map the evidence for a score lies.

Selvaraju et al. 2016, arXiv:1610.02391, section 3, equations 1 and 2.
"""

from typing import Any

import keras
from keras import ops

from cvapps import backend
from cvapps.visualization.batches import in_batches
from cvapps.visualization.explained import Subject, explained
from cvapps.visualization.reading import answers, read
from cvapps.visualization.result import Visualization, magnitude_pictures, spotlit_pictures


def grad_cam(
    model: keras.Model,
    images: Any,
    of: Subject = None,
    *,
    layer: str | None = None,
    output: str | None = None,
    batch_size: int = 16,
) -> Visualization:
    """Pictures [N, H, W, C] -> maps [N, H, W, 1], not negative, of the evidence for the score.

    Each channel of the layer's map is weighed with the mean of the score's gradient over it, the sum rectified and
    enlarged linearly to the picture's size. Where no `layer` is given it is the last whose map has places, as in the
    paper. `of` and `output` as for `saliency`. The `details` hold "maps", of the layer's own size. Raises ValueError
    for a layer that doesn't exist, gives no map or is called several times, and for one that the score doesn't depend
    on.
    """
    asked = explained(model, images, of, batch_size, output)
    name = layer or _last_map(asked.reader)
    maps_of = read(model, [name])
    if len(getattr(maps_of.output[name], "shape", ())) != 4:
        raise ValueError(f"expected a layer that gives a map (N, H, W, C); {name} doesn't")
    if name not in {found.name for found in asked.reader.layers}:
        raise ValueError(f"the score doesn't depend on {name}")
    to_maps = read(asked.reader, [name])

    def weighed(pictures, labels):
        maps = to_maps(pictures, training=False)[name]

        def summed(values):
            """The rest of the network as a function of the layer's map; what stands before it isn't used."""

            def instead(operation):
                return (lambda *_, **__: values[0]) if operation.name == name else operation

            found = asked.reader._run_through_graph([pictures], operation_fn=instead)
            return ops.sum(asked.score(found, labels)), ()

        (gradient,), _ = backend.gradients(summed, [maps])
        weights = ops.mean(gradient, axis=(1, 2), keepdims=True)
        coarse = ops.relu(ops.sum(weights * maps, axis=-1, keepdims=True))
        size = asked.pictures.shape[1:3]
        return coarse, ops.image.resize(coarse, size, interpolation="bilinear", data_format="channels_last")

    coarse, fine = in_batches(backend.compiled(weighed), batch_size, asked.pictures, asked.labels)
    columns = {
        "image": asked.pictures,
        "evidence": magnitude_pictures(fine),
        "lit by it": spotlit_pictures(asked.pictures, fine),
    }
    return Visualization(f"Grad-CAM at {name}", columns, fine, asked.rows, {"labels": asked.labels, "maps": coarse})


def _last_map(reader: keras.Model) -> str:
    """The last layer but the outputs that gives more than one place."""
    outputs = {id(x) for x in reader.outputs}
    for layer in reversed(reader.layers):
        for answer in answers(reader, layer)[-1]:
            map_like = len(answer.shape) == 4 and set(answer.shape[1:3]) != {1}
            if map_like and id(answer) not in outputs and not _is_input(layer):
                return layer.name
    raise ValueError(f"{reader.name} has no layer that gives a map of more than one place: say `layer`")


def _is_input(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.InputLayer)
