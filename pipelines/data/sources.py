"""Data sets by name: `digits`, `tfds:NAME`, `folder:PATH`, `arrays:PATH`."""

from cvapps.registry import nearest
from pipelines.data.arrays import open_arrays, open_digits
from pipelines.data.folders import open_folder
from pipelines.data.streams import Dataset
from pipelines.data.tfds import open_tfds
from pipelines.recipe import Data

SOURCES = {"digits": open_digits, "tfds": open_tfds, "folder": open_folder, "arrays": open_arrays}


def open_source(data: Data) -> Dataset:
    """Both splits of `data.source`, all pictures checked; the split never depends on a run's seed.

    Raises ValueError for a scheme that isn't known, and what the scheme's own function raises, which always names the
    file or folder that is not as it should be.
    """
    scheme, colon, place = data.source.partition(":")
    if scheme not in SOURCES:
        raise ValueError(f"no source is called {data.source!r}; {nearest(scheme, SOURCES)}")
    if bool(place) == (scheme == "digits") or (colon and not place):
        raise ValueError(f"a source is 'digits', 'tfds:NAME', 'folder:PATH' or 'arrays:PATH', not {data.source!r}")
    return SOURCES[scheme](data)
