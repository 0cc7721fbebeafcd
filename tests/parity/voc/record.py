"""Records what py-faster-rcnn's evaluation says of made-up detections, for `tests/parity/test_voc.py`.

    python tests/parity/voc/record.py AUTHORS_CODE

Reads lib/datasets/voc_eval.py of rbgirshick/py-faster-rcnn at 781a917, a clone in the folder AUTHORS_CODE under this
name; needs NumPy, and nothing of ours. The code is of Python 2 and NumPy 1: what they spell otherwise is replaced on
reading. Boxes are the devkit's, numbered from 1 and with their last pixel.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

SPELLINGS = {
    "import cPickle": "import pickle as cPickle",
    "np.bool": "bool",
    "print 'Reading": "_ = 'Reading",
    "print 'Saving": "_ = 'Saving",
    "open(cachefile, 'w')": "open(cachefile, 'wb')",
    "open(cachefile, 'r')": "open(cachefile, 'rb')",
}
PICTURES, CLASSES, SIDE = 30, 3, 100


def evaluation(clone):
    """Their function."""
    code = (clone / "lib/datasets/voc_eval.py").read_text()
    for old, new in SPELLINGS.items():
        assert old in code, f"expected the commit named above, which has {old}"
        code = code.replace(old, new)
    names = {}
    exec(code, names)
    return names["voc_eval"]


def made(rng):
    """Objects [picture, class, difficult, x1 y1 x2 y2], detections near them [picture, class, score, x1 y1 x2 y2]."""
    objects, found = [], []
    for picture in range(PICTURES):
        for _ in range(0 if picture == 4 else rng.integers(1, 8)):
            x, y = rng.integers(1, SIDE - 30, 2)
            box = np.array([x, y, *np.add((x, y), rng.integers(8, 30, 2))])
            label = rng.integers(CLASSES)
            objects.append([picture, label, rng.random() < 0.25, *box])
            for _ in range(rng.integers(0, 4)):
                near = np.clip(box + rng.normal(0, 2, 4).round(1), 1, SIDE)
                other = label if rng.random() < 0.8 else rng.integers(CLASSES)
                found.append([picture, other, 0.2 + 0.8 * rng.random(), *near[:2], *np.maximum(near[2:], near[:2] + 1)])
        for _ in range(rng.integers(0, 4)):
            x, y = rng.integers(1, SIDE - 30, 2)
            found.append([picture, rng.integers(CLASSES), rng.random(), x, y, x + 20, y + 25])
    return np.array(objects, "float64"), np.array(found, "float64")


def annotation(rows):
    """One picture's objects as the devkit's XML."""
    corners = ("xmin", "ymin", "xmax", "ymax")
    text = ""
    for _, label, difficult, *box in rows.astype(int):
        sides = "".join(f"<{name}>{value}</{name}>" for name, value in zip(corners, box, strict=True))
        text += f"<object><name>class{label}</name><pose>Left</pose><truncated>0</truncated>"
        text += f"<difficult>{difficult}</difficult><bndbox>{sides}</bndbox></object>"
    return f"<annotation>{text}</annotation>"


def main(clone):
    voc_eval = evaluation(clone)
    objects, found = made(np.random.default_rng(8))
    counts = [int(((objects[:, 1] == k) & (objects[:, 2] == 0)).sum()) for k in range(CLASSES)]
    assert all(count % 5 for count in counts), (
        counts
    )  # no recall is a whole tenth, where their points are a rounding off
    recorded = dict(objects=objects, found=found)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "pictures.txt").write_text("".join(f"{i}\n" for i in range(PICTURES)))
        for i in range(PICTURES):
            (root / f"{i}.xml").write_text(annotation(objects[objects[:, 0] == i]))
        for k in range(CLASSES):
            rows = found[found[:, 1] == k]
            lines = (f"{int(i)} {' '.join(repr(float(v)) for v in values)}\n" for i, _, *values in rows)
            (root / f"class{k}.txt").write_text("".join(lines))
        for overlap in (0.5, 0.7):
            for name, eleven in (("ap07", True), ("ap", False)):
                answers = [
                    voc_eval(
                        f"{root}/{{}}.txt", f"{root}/{{}}.xml", f"{root}/pictures.txt", f"class{k}", f"{root}/cache",
                        overlap, eleven,
                    )
                    for k in range(CLASSES)
                ]  # fmt: skip
                recorded[f"{name}_{overlap}"] = np.array([ap for _, _, ap in answers])
    np.savez_compressed(Path(__file__).parent / "average_precision.npz", **recorded)
    print({name: value for name, value in recorded.items() if name.startswith("ap")}, objects.shape, found.shape)


if __name__ == "__main__":
    main(Path(sys.argv[1]) / "rbgirshick/py-faster-rcnn")
