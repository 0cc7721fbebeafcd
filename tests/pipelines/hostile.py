"""Pictures that a stranger may send: those that must be refused, with the reason, and odd ones that are pictures."""

import io
import re
import struct

import numpy as np
from PIL import Image

from tests.pipelines.data.samples import encoded, photo, png, png_chunk

FORMATS = ("PNG", "JPEG", "GIF", "BMP")
SIDE = 60_000  # 3.6 gigapixels in a square
LARGE = rf"{SIDE} {SIDE}.*more than 67108864 pixels"


def claiming(form: str, side: int = SIDE) -> bytes:
    """A file whose header claims a square of that side, and whose body has a few pixels or none."""
    if form == "PNG":
        return png(side, side, 8, 2, b"")
    if form == "BMP":
        return b"BM" + struct.pack("<IIIIiiHHIIiiII", 0, 0, 54, 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    content = bytearray(encoded(photo(30, 40), form))
    if form == "GIF":
        content[6:10] = struct.pack("<HH", side, side)
    else:
        frame = content.index(b"\xff\xc0")
        content[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    return bytes(content)


def repeated_scans(side: int, times: int) -> bytes:
    """A progressive JPEG of one grey with its last scan so many times more: 33 bytes each where the side is 4096."""
    content = encoded(Image.new("L", (side, side), 77), "JPEG", progressive=True, optimize=True)
    last = [found.start() for found in re.finditer(b"\xff\xda", content)][-1]
    return content[:-2] + times * content[last:-2] + content[-2:]


def hidden_header(side: int) -> bytes:
    """A PNG with a private chunk before its header, which claims one pixel where the header has its size."""
    body = struct.pack(">IIBBBBB", 1, 1, 1, 0, 0, 0, 0)
    return png(side, side, 1, 0, bytes(side * (1 + side // 8)), before=png_chunk(b"prVt", body))


def animation(frames: int = 3) -> bytes:
    """A GIF of several frames."""
    first, *rest = (Image.fromarray(photo(30, 40, seed)) for seed in range(frames))
    return encoded(first, "GIF", save_all=True, append_images=rest)


def random_bytes(count: int, seed: int, magic: bytes = b"") -> bytes:
    """Bytes of chance, behind those by which a format is known."""
    return magic + np.random.default_rng(seed).bytes(count)


def sixteen_bits() -> bytes:
    """A grey PNG of 16 bits."""
    file = io.BytesIO()
    Image.fromarray(photo()[..., 0].astype(np.uint16) * 257).save(file, "PNG")
    return file.getvalue()


BOMBS = {
    "png": (png(20_000, 20_000, 1, 0, bytes(20_000 * 2501)), "20000 20000.*more than 67108864 pixels"),
    "png_hidden": (hidden_header(20_000), "does not begin with its header"),
    **{f"{form.lower()}_claim": (claiming(form), LARGE) for form in FORMATS},
    "jpeg_scans": (repeated_scans(1024, 4000), "a JPEG of.*400..*scans over.*1048576"),
}  # name: (file below 100 kB, reason)

REFUSED = {
    **BOMBS,
    "nothing": (b"", "not a JPEG, PNG, GIF or BMP"),
    "text": (b"hello", "not a JPEG, PNG, GIF or BMP"),
    "webp": (b"RIFF\x1a\0\0\0WEBPVP8 ", "not a JPEG, PNG, GIF or BMP"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a JPEG, PNG, GIF or BMP"),
    "png_random": (random_bytes(3000, 1, b"\x89PNG\r\n\x1a\n"), "header"),
    "jpeg_random": (random_bytes(3000, 2, b"\xff\xd8\xff"), "."),
    "gif_random": (random_bytes(3000, 3, b"GIF89a"), "."),
    "bmp_random": (random_bytes(3000, 4, b"BM"), "."),
    **{f"{f.lower()}_cut": (encoded(photo(), f)[:500], ".") for f in FORMATS},
}

TAKEN = {
    "animation": animation(),
    "sixteen_bits": sixteen_bits(),
    "cmyk": encoded(Image.fromarray(photo()).convert("CMYK"), "JPEG"),
    "progressive": encoded(photo(), "JPEG", progressive=True),
    "palette": encoded(Image.fromarray(photo()).convert("P")),
    "alpha": encoded(Image.fromarray(photo()).convert("RGBA")),
    **{
        f"{form.lower()}_pixel": encoded(np.full((1, 1, 3), 200, np.uint8), form)
        for form in ("PNG", "JPEG", "GIF", "BMP")
    },
}
