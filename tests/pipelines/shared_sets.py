"""The shared data sets as the .npz files that `arrays:` reads."""

import gzip
import io
import zipfile

import numpy as np
from PIL import Image

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def _idx(path):
    """The array of an idx.gz file: two zero bytes, type, rank, sizes, values."""
    content = gzip.decompress(path.read_bytes())
    rank = content[3]
    return np.frombuffer(content, "uint8", offset=4 + 4 * rank).reshape(np.frombuffer(content, ">u4", rank, 4))


def idx_set(folder):
    """MNIST or Fashion-MNIST: {x_train, y_train, x_test, y_test}."""
    arrays = {}
    for ours, theirs in (("train", "train"), ("test", "t10k")):
        arrays[f"x_{ours}"] = _idx(folder / f"{theirs}-images-idx3-ubyte.gz")
        arrays[f"y_{ours}"] = _idx(folder / f"{theirs}-labels-idx1-ubyte.gz").astype("int64")
    return arrays


def _jpegs(path):
    """Pictures and labels of a .zip with a folder for each class, in the order of their names."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        images = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB")) for name in names]
    return np.stack(images), np.array([CIFAR10.index(name.split("/")[-2]) for name in names])


def cifar10(folder):
    """8,000 training pictures of CIFAR-10, 6,000 of them as JPEGs, and 2,000 test pictures as JPEGs."""
    rows = np.frombuffer(gzip.decompress((folder / "data_batch_1_first2000.bin.gz").read_bytes()), "uint8")
    rows = rows.reshape(-1, 3073)
    images, labels = _jpegs(folder / "train_jpeg.zip")
    x_test, y_test = _jpegs(folder / "test_jpeg.zip")
    return {
        "x_train": np.concatenate([rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), images]),
        "y_train": np.concatenate([rows[:, 0].astype("int64"), labels]),
        "x_test": x_test,
        "y_test": y_test,
        "class_names": np.array(CIFAR10),
    }


CAMVID = {  # Brostow et al. 2008 in the eleven classes of Badrinarayanan et al. 2015, with their colours
    "sky": (128, 128, 128), "building": (128, 0, 0), "pole": (192, 192, 128), "road": (128, 64, 128),
    "pavement": (60, 40, 222), "tree": (128, 128, 0), "sign": (192, 128, 128), "fence": (64, 64, 128),
    "car": (64, 0, 128), "pedestrian": (64, 64, 0), "bicyclist": (0, 128, 192),
}  # fmt: skip


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _write_mask(path, labels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(path)


def _write_classes(root, colours):
    lines = [" ".join([name, *map(str, colour)]) for name, colour in colours.items()]
    (root / "classes.txt").write_text("\n".join(lines) + "\n")


def camvid(folder, root):
    """244 training and 63 held-out frames, 480x360, as a folder of pictures with label maps; void is 255."""
    with zipfile.ZipFile(folder / "camvid_subset.zip") as archive:
        for name in archive.namelist():
            _, room, *file = name.split("/")
            if file and name.endswith(".jpg"):
                _write(root / room / "images" / file[0], archive.read(name))
            elif file and name.endswith(".png"):
                labels = np.asarray(Image.open(io.BytesIO(archive.read(name))))
                void = np.where(labels < len(CAMVID), labels, 255).astype("uint8")
                _write_mask(root / room.removesuffix("annot") / "masks" / file[0], void)
    _write_classes(root, CAMVID)
    return root


def isbi_membrane(folder, root, held_out=6):
    """24 slices of 512x512: the last ones are held out. The classes are membrane, black in the source, and cell."""
    with zipfile.ZipFile(folder / "isbi_membrane_24.zip") as archive:
        for number in range(24):
            split = root / ("val" if number >= 24 - held_out else "train")
            _write(split / "images" / f"{number:02}.png", archive.read(f"membrane/train/image/{number}.png"))
            labels = np.asarray(Image.open(io.BytesIO(archive.read(f"membrane/train/label/{number}.png"))).convert("L"))
            _write_mask(split / "masks" / f"{number:02}.png", (labels > 127).astype("uint8"))
    _write_classes(root, {"membrane": (0, 0, 0), "cell": (230, 230, 230)})
    return root


def rgbd(folder, root, held_out=20):
    """90 pictures with depths in millimetres: five scenes, 84 frames of the last, whose end is held out."""
    with zipfile.ZipFile(folder / "rgbd_pairs.zip") as archive:
        colours = sorted(name for name in archive.namelist() if "/color" in name and name.endswith((".jpg", ".png")))
        walk = [name for name in colours if "hololens" in name]
        for name in colours:
            _, scene, *file = name.split("/")
            split = root / ("val" if name in walk[-held_out:] else "train")
            stem = f"{scene}_{file[-1][:-4]}"
            _write(split / "images" / f"{stem}{name[-4:]}", archive.read(name))
            others = [other for other in archive.namelist() if f"/{scene}/depth" in other and other.endswith(".png")]
            (depths,) = (other for other in others if len(file) == 1 or other.endswith(f"/{file[-1][:-4]}.png"))
            steps = 5 if depths.endswith("x5000.png") else 1  # of a millimetre
            millimetres = np.asarray(Image.open(io.BytesIO(archive.read(depths)))) / steps
            _write_mask(split / "masks" / f"{stem}.png", np.rint(millimetres).astype("uint16"))
    return root
