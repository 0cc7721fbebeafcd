"""Maps of TensorFlow Datasets: its own builders prepare small archives that are laid out as the published ones."""

import shutil

import h5py
import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipelines.data import tfds_maps
from pipelines.data.label_maps import label_set
from pipelines.data.report import show
from pipelines.data.tfds_maps import windows
from pipelines.recipe import Data, Recipe
from pipelines.tasks import depth, segmentation
from tests.pipelines.data import released
from tests.pipelines.data.label_folders import scene
from tests.pipelines.data.released import SIZE
from tests.pipelines.data.samples import encoded
from tests.tolerances import HALF

pytestmark = pytest.mark.usefixtures("home")
ROOM = (480, 640)


def pets(root):
    """The two archives of the Oxford pets as they lie unpacked: images, and annotations with trimaps."""
    random, found = np.random.default_rng(0), {}
    for split, count in (("trainval", 5), ("test", 2)):
        names = [f"{'Abyssinian' if i % 2 else 'beagle'}_{split}{i}" for i in range(count)]
        for name in names:
            pixels, labels = scene(random)
            found[f"{split} {name}"] = labels
            released.save(root / "images" / "images" / f"{name}.jpg", pixels, quality=95)
            trimap = root / "annotations" / "annotations" / "trimaps" / f"{name}.png"
            released.save(trimap, np.array((2, 1, 3), np.uint8)[labels])
        lines = "".join(f"{name} 1 1 1\n" for name in names)
        (root / "annotations" / "annotations" / f"{split}.txt").write_text(lines)
    return found


def rooms(root):
    """NYU's frames as the archive has them: nyudepthv2/{train,val}/SCENE/NUMBER.h5 with rgb and depth."""
    random, found = np.random.default_rng(0), {}
    for split, count in (("train", 4), ("val", 2)):
        for i in range(count):
            metres = (random.uniform(1, 4) * np.linspace(0.5, 1.5, ROOM[1]) * np.ones(ROOM)).astype("float32")
            grey = np.clip(255 - 40 * metres, 0, 255).astype("uint8")
            metres[:40, :40] = 0
            path = root / "nyudepthv2" / split / f"scene{i}" / "00001.h5"
            path.parent.mkdir(parents=True)
            with h5py.File(path, "w") as file:
                file["rgb"], file["depth"] = np.repeat(grey[None], 3, 0), metres
            found[f"{split} {i}"] = metres
    return found


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """What tfds' own builders make of the archives, and what was in these."""
    place = tmp_path_factory.mktemp("tfds")
    manual, unpacked = place / "downloads" / "manual", place / "unpacked"
    found = {"pets": pets(unpacked), "rooms": rooms(unpacked), "city": released.cityscapes(place / "city")}
    for folder, name in (("leftImg8bit", "leftImg8bit_trainvaltest"), ("gtFine", "gtFine_trainvaltest")):
        shutil.make_archive(str(manual / name), "zip", place / "city", folder)
    unpack = {"images": unpacked / "images", "annotations": unpacked / "annotations"}
    with pytest.MonkeyPatch.context() as patch:
        manager = tfds.download.DownloadManager  # its downloads are unpacked already
        patch.setattr(
            manager, "download_and_extract", lambda self, what: unpack if isinstance(what, dict) else unpacked
        )
        for name in ("oxford_iiit_pet", "nyu_depth_v2"):
            tfds.builder(name, data_dir=place).download_and_prepare()
    return place, found


@pytest.fixture
def found(prepared, monkeypatch):
    """What was in the archives; all is checked once, as a user's home remembers it."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared[0]))
    monkeypatch.setenv("CVAPPS_HOME", str(prepared[0] / "var"))
    return prepared[1]


def opened(task, source, **settings):
    settings = {"size": SIZE, "batch": 2, **settings}
    return task.TASK.open_data(Recipe("x", data=Data(source=f"tfds:{source}", **settings)))


def held_out(data):
    """Pictures and maps of the held-out batches."""
    batches = list(data.validation_batches().as_numpy_iterator())
    return tuple(np.concatenate(part) for part in zip(*batches, strict=True))


def as_sets(maps):
    return sorted(np.asarray(one).tobytes() for one in maps)


def test_oxford_pets(found):
    data = opened(segmentation, "oxford_iiit_pet")
    assert data.class_names == ("pet", "background", "border")
    assert (data.dataset.train.size, data.dataset.validation.size) == (5, 2)
    ours = {0: 1, 1: 0, 2: 2}  # of a scene's ground, disk and square
    expected = {name: np.vectorize(ours.get)(labels).astype("int32") for name, labels in found["pets"].items()}
    assert as_sets(held_out(data)[1]) == as_sets(labels for name, labels in expected.items() if name[:4] == "test")
    counts = [np.bincount(labels.ravel(), minlength=3).tolist() for name, labels in expected.items() if "trai" in name]
    assert sorted(data.dataset.pixels.tolist()) == sorted(counts)
    assert opened(segmentation, "oxford_iiit_pet").fingerprint == data.fingerprint


def test_cityscapes_is_prepared_from_its_archives(found):
    data = opened(segmentation, "cityscapes", augment=("flip",))
    assert (len(data.class_names), data.dataset.train.size, data.dataset.validation.size) == (19, 4, 2)
    ours = {7: 0, 33: 18, 4: 255}
    expected = [np.vectorize(ours.get)(labels).astype("int32") for labels in found["city"]["val"].values()]
    assert as_sets(held_out(data)[1]) == as_sets(expected)
    for images, labels in data.training_batches(0):
        assert images.shape == (2, *SIZE, 3)
        assert set(np.unique(labels)) <= {0, 18, 255}


def test_depths_of_rooms(found):
    data = opened(depth, "nyu_depth_v2", size=ROOM)
    assert (data.dataset.train.size, data.dataset.validation.size) == (4, 2)
    images, metres = held_out(data)
    assert (images.dtype, metres.dtype) == (np.float32, np.float32)
    expected = sorted((one for name, one in found["rooms"].items() if name[:3] == "val"), key=np.sum)
    for ours, theirs in zip(sorted(metres, key=np.sum), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, **HALF)
        assert (ours[:40, :40] == 0).all()
    assert np.abs(images[..., 0] - (255 - 40 * metres))[:, 40:].max() < 2  # each picture with its own depths


def test_a_picture_stays_with_its_map_whatever_the_order(found):
    data = opened(segmentation, "oxford_iiit_pet", batch=1)
    orders = []
    for epoch in range(2):
        pairs = [(images[0], labels[0]) for images, labels in data.training_batches(epoch).as_numpy_iterator()]
        for image, labels in pairs:
            bright = image[labels == 0].mean() if (labels == 0).any() else 250
            assert bright > image[labels == 1].mean() > (image[labels == 2].mean() if (labels == 2).any() else 0)
        orders.append(tuple(float(image.sum()) for image, _ in pairs))
        assert sorted(orders[0]) == pytest.approx(sorted(orders[-1]))
    assert orders[0] != orders[1]
    later = [images[0].sum() for images, _ in data.training_batches(1, skip=3).as_numpy_iterator()]
    assert later == list(orders[1][3:])


def test_the_windows_that_are_mixed_fit_into_memory(found, monkeypatch):
    prepared = tfds_maps._prepare("tfds:oxford_iiit_pet", ("image", "segmentation_mask"), {})
    assert windows(prepared) == (2049, 1537)
    split = prepared.builder.info.splits["train"]
    monkeypatch.setattr(tfds_maps, "WINDOW_BYTES", 100 * split.num_bytes // split.num_examples)
    first, second = windows(prepared)
    assert first in (97, 101)
    assert np.gcd(first, second) == 1


def test_a_part_is_held_out_where_there_is_one_split(found, monkeypatch):
    monkeypatch.setattr("pipelines.data.tfds.VALIDATION", ())
    data = opened(segmentation, "oxford_iiit_pet", held_out=0.4)
    assert (data.dataset.train.size, data.dataset.validation.size, len(data.dataset.pixels)) == (3, 2, 3)
    assert not set(data.dataset.train.names) & set(data.dataset.validation.names)


def test_what_is_not_known(found, tmp_path, monkeypatch):
    with pytest.raises(
        ValueError, match=r"no data set with classes of pixels is known as 'tfds:cityscape'; .*cityscapes"
    ):
        opened(segmentation, "cityscape")
    with pytest.raises(
        ValueError, match=r"no data set with depths of pixels is known as 'tfds:oxford_iiit_pet'; .*nyu"
    ):
        opened(depth, "oxford_iiit_pet")
    with pytest.raises(ValueError, match="its configuration 'stereo_disparity' has no 'segmentation_label', only"):
        opened(segmentation, "cityscapes/stereo_disparity")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"tfds:cityscapes is not prepared at .*its archives come by hand: .*"):
        opened(segmentation, "cityscapes")


def test_maps_that_do_not_fit_are_named(found, monkeypatch):
    keys, _ = tfds_maps.LABEL_MAPS["oxford_iiit_pet"]
    two = label_set({"pet": (0, 0, 0), "background": (9, 9, 9)}, (1, 2))
    monkeypatch.setattr(tfds_maps, "LABEL_MAPS", {"oxford_iiit_pet": (keys, two)})
    message = r"oxford_iiit_pet train\[\d\] segmentation_mask: \d+ pixels have the label 3, outside the 2 classes"
    with pytest.raises(ValueError, match=message):
        opened(segmentation, "oxford_iiit_pet")


def spoilt_set(place, mask, depths):
    """Three pictures with maps and depths, the second spoilt, written by tfds in its own format."""
    random = np.random.default_rng(0)
    examples = []
    for i in range(3):
        pixels, labels = scene(random)
        png, metres = encoded(labels + 1), np.ones(SIZE, "float16")
        maps = (mask(png), depths(metres)) if i == 1 else (png, metres)
        examples.append((i, {"image": pixels, "segmentation_mask": maps[0], "depth": maps[1]}))
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(),
            "segmentation_mask": tfds.features.Image(shape=(None, None, 1)),
            "depth": tfds.features.Tensor(shape=SIZE, dtype=np.float16),
        }
    )
    return tfds.dataset_builders.store_as_tfds_dataset(
        name="spoilt", version="1.0.0", features=features, data_dir=place, split_datasets={"train": examples}
    )


@pytest.mark.parametrize(
    ("mask", "depths", "message"),
    [
        (lambda png: png[:60], lambda metres: metres, r"spoilt train\[\d\]: its segmentation_mask cannot be decoded"),
        (
            lambda png: encoded(np.ones((24, 31), np.uint8)),
            lambda metres: metres,
            r"segmentation_mask: its height and width are \(24, 31\), those of its picture \(24, 32\)",
        ),
        (
            lambda png: png,
            lambda metres: np.where(np.arange(SIZE[1]) < 2, -1, metres).astype("float16"),
            r"spoilt train\[\d\] depth: 48 of its depths are negative, infinite or not a number",
        ),
        (
            lambda png: png,
            lambda metres: np.where(np.arange(SIZE[1]) < 1, np.nan, metres).astype("float16"),
            r"spoilt train\[\d\] depth: 24 of its depths",
        ),
    ],
    ids=["cut off", "other size", "negative", "not a number"],
)
def test_examples_that_are_not_as_they_should_be(tmp_path, monkeypatch, mask, depths, message):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    keys, labels = tfds_maps.LABEL_MAPS["oxford_iiit_pet"]
    monkeypatch.setattr(tfds_maps, "LABEL_MAPS", {"spoilt": (keys, labels)})
    monkeypatch.setattr(tfds_maps, "DEPTHS", {"spoilt": ("image", "depth")})
    spoilt_set(tmp_path, mask, depths)
    with pytest.raises(ValueError, match=message):
        opened(depth if "depth" in message else segmentation, "spoilt", held_out=0.4)


def test_its_statistics_and_a_sheet_of_a_batch(found, tmp_path, capsys):
    data = Data("tfds:oxford_iiit_pet", size=SIZE, batch=2, augment=("flip",))
    show(Recipe(model="fcn8s", data=data), tmp_path)
    text = (tmp_path / "statistics.md").read_text()
    assert "5 training and 2 validation pictures of 3 classes; 0 left out" in text
    pets = [labels == 1 for name, labels in found["pets"].items() if name[:4] != "test"]
    assert f"| pet | {np.mean(pets):.2%} | 5 |" in text
    assert (tmp_path / "batch.png").stat().st_size > 5000
