"""What is written on a figure, and whether it can be read."""

import itertools

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def words(figure: Figure) -> list:
    """(text, its rectangle in pixels) for everything that is written on a figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found = list(figure.texts) + ([figure._suptitle] if figure._suptitle else [])
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label]
        if axes.axison:
            for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
                low, high = min(low, high), max(low, high)
                ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
                found += [label for place, label in ticks if low <= place <= high]
        found += axes.get_legend().get_texts() if axes.get_legend() else []
    found = list(dict.fromkeys(text for text in found if text.get_visible() and text.get_text()))
    return [(text.get_text(), text.get_window_extent()) for text in found]


def check_legible(figure: Figure) -> list[str]:
    """No word is cut by the figure's edge or lies on another; returns the words."""
    width, height = figure.canvas.get_width_height()
    found = words(figure)
    for text, box in found:
        inside = min(box.x0, box.y0) >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
        assert inside, f"{text!r} is cut: {box} in {width} x {height}"
    for (one, a), (other, b) in itertools.combinations(found, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        along = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(across, along) <= 2, f"{one!r} lies on {other!r}"
    return [text for text, _ in found]
