"""What the pictures of a run share: colours that can be told apart, and names that fit.

A picture is data -> matplotlib Figure, and knows nothing of where it goes. Colours are Okabe & Ito's, which
colour-blind people can tell apart, and Matplotlib's single-hue maps. Figures are made without pyplot, so none stays
open.
"""

from typing import Any

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555"


def short(text: Any, length: int = 22) -> str:
    """A name that fits under a picture; `$` is no mathematics."""
    text = str(text).replace("$", r"\$")
    return text if len(text) <= length else f"{text[: length - 1]}…"
