"""The segments of a JPEG, read in graph ops: where one of them is, and whether its scans may be decoded.

ITU-T T.81, annex B. Of a progressive or arithmetic JPEG a scan of ten bytes can say that nothing changes, and costs the
decoder a walk over every block of the picture: a few hundred kilobytes of such scans would take it minutes.
"""

from collections.abc import Callable

import tensorflow as tf

MAX_SEGMENTS = 64  # before the scan; cameras write fewer than ten
FIRST_SEGMENT = 2  # after the marker that begins the file
SCAN = b"\xff\xda"
SCAN_BYTES = 10  # the fewest that a scan takes: marker, length, one component, three numbers
BASELINE = (0xFFC0, 0xFFC1)  # frames whose scans have at least two bits for each block, so cannot be much work
SCANS_OF_LARGEST = 16  # that the largest picture may have; a smaller one may have more; encoders write about ten


def find_segment(encoded: tf.Tensor, wanted: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> tuple[tf.Tensor, ...]:
    """Position, marker and length of the first segment that is `wanted`, or of where the walk ended without it.

    `wanted` is given a segment's position and marker, and says whether it is the one. The length counts its own two
    bytes, not those of the marker.
    """
    size = tf.strings.length(encoded)

    def marker_and_length(position: tf.Tensor) -> list[tf.Tensor]:
        head = tf.strings.substr(encoded, tf.minimum(position, size), 4)
        pair = tf.io.decode_raw(head, tf.uint16, little_endian=False, fixed_length=4)
        return tf.unstack(tf.cast(pair, tf.int32))

    def pass_by(position: tf.Tensor, _passing: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # every picture of a training set comes through here, so there are no more ops than it takes
        marker, length = marker_and_length(position)
        has_length = (marker >= 0xFFC0) & ((marker < 0xFFD0) | (marker > 0xFFDA))  # no restart, no start of the scan
        passing = has_length & ~wanted(position, marker)
        step = tf.where(marker == 0xFFFF, 1, 2 + length)  # 0xFF may be repeated before a marker
        return tf.where(passing, position + step, position), passing

    position, _ = tf.while_loop(
        lambda position, passing: passing,
        pass_by,
        (tf.constant(FIRST_SEGMENT), tf.constant(True)),
        maximum_iterations=MAX_SEGMENTS,
    )
    return position, *marker_and_length(position)


def refuse_many_scans(encoded: tf.Tensor, area: tf.Tensor, max_pixels: int) -> tf.Tensor:
    """`encoded` unchanged, a JPEG of `area` pixels (int64), where its scans may be decoded.

    Raises InvalidArgumentError, before anything is decoded, where pixels times scans are more than those of
    SCANS_OF_LARGEST scans of `max_pixels`.
    """
    most = SCANS_OF_LARGEST * max_pixels

    def scans() -> tf.Tensor:
        _, marker, _ = find_segment(encoded, lambda position, marker: _is_frame(marker))
        return tf.cond(tf.reduce_any(marker == BASELINE), lambda: 1, count)

    def count() -> tf.Tensor:
        return tf.size(tf.raw_ops.StringSplitV2(input=encoded[None], sep=SCAN).values) - 1

    length = tf.cast(tf.strings.length(encoded), tf.int64)
    found = tf.cond(area * (length // SCAN_BYTES) <= most, lambda: 1, scans)  # counted where they could be too many
    reason = ["a JPEG of", found, "scans over", area, "pixels is too much work"]
    few = tf.debugging.Assert(area * tf.cast(found, tf.int64) <= most, reason)
    with tf.control_dependencies([few]):
        return tf.identity(encoded)


def _is_frame(marker: tf.Tensor) -> tf.Tensor:
    """Whether a marker begins a frame: 0xFFC0 to 0xFFCF without the tables DHT, JPG and DAC."""
    return (marker & 0xFFF0 == 0xFFC0) & tf.reduce_all(marker != [0xFFC4, 0xFFC8, 0xFFCC])
