"""Drawings as inline SVG that belong to their page: its colours, light or dark, and its font; the same bytes every time.

Lengths are units of the drawing; one unit is about a CSS pixel on a phone, and y grows downwards.
"""

import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Stand-ins that no drawing uses otherwise; each becomes a variable of the page's style sheet.
INK, MUTED, LINE, SURFACE = "#010001", "#020002", "#030003", "#040004"
ACCEPTED, SUGGESTED, ESCALATED, NEUTRAL = "#050005", "#060006", "#070007", "#080008"
ON_ACCEPTED, ON_SUGGESTED, ON_ESCALATED = "#090009", "#0a000a", "#0b000b"
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    SURFACE: "var(--surface)",
    ACCEPTED: "var(--accepted)",
    SUGGESTED: "var(--suggested)",
    ESCALATED: "var(--escalated)",
    NEUTRAL: "var(--neutral)",
    ON_ACCEPTED: "var(--on-accepted)",
    ON_SUGGESTED: "var(--on-suggested)",
    ON_ESCALATED: "var(--on-escalated)",
}
SMALL, NORMAL = 10.0, 11.5
"""Font sizes."""
PAGE_WIDTH = 340.0
"""The width of a drawing that fits a phone."""
_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tamiz",
    "text.parse_math": False,  # a ticket's label may hold dollar signs
    "font.family": "DejaVu Sans",  # comes with matplotlib: the layout is the same on every machine
    "font.size": SMALL,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": SMALL,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
}
_FONT_FAMILY = re.compile(r"font-family:[^;]*;?\s*")
_NO_TURN = re.compile(r"rotate\(-?0 ")


def draw(name: str, size: tuple[float, float], title: str, description: str, paint: Callable[["Figure"], None]) -> Markup:
    """An SVG element of `size` (width, height) that `paint` draws on an empty figure.

    What is wider than PAGE_WIDTH is to be scrolled, not shrunk. `name` makes its ids unique in the page; title and
    description are what a screen reader says.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(size[0] / 72, size[1] / 72), facecolor="none")
        paint(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314 - written by matplotlib just above
    width = "" if size[0] <= PAGE_WIDTH else f"min-width: {size[0]:.0f}px; max-width: {1.3 * size[0]:.0f}px"
    return Markup(_inlined(root, name, title, description, width))  # noqa: S704 - serialised by ElementTree, which escapes


def canvas(figure: "Figure") -> "Axes":
    """Axes over the whole figure, in units, y downwards, with nothing drawn."""
    width, height = figure.get_size_inches() * 72
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    return axes


def frame(figure: "Figure", left: float, top: float, width: float, height: float) -> "Axes":
    """Axes with ticks, at a place given in units from the upper left corner."""
    whole_width, whole_height = figure.get_size_inches() * 72
    bottom = whole_height - top - height
    axes = figure.add_axes((left / whole_width, bottom / whole_height, width / whole_width, height / whole_height))
    axes.tick_params(length=0, pad=5)
    axes.set_axisbelow(True)
    return axes


def box(axes: "Axes", left: float, top: float, width: float, height: float, fill: str, opacity: float = 1.0) -> None:
    """A filled rectangle."""
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((left, top), width, height, facecolor=fill, edgecolor="none", alpha=opacity))


def thinned(points: Sequence[tuple[float, float]], most: int = 240) -> list[tuple[float, float]]:
    """At most so many points, evenly chosen, the last one always among them."""
    step = max(1, -(-len(points) // most))
    return [*points[:-1][::step], points[-1]] if points else []


def _inlined(root: ElementTree.Element, name: str, title: str, description: str, style: str) -> str:
    for child in list(root):
        if _local(child.tag) == "metadata":
            root.remove(child)
    _drop_styles(root)
    for element in root.iter():
        _tidy(element, name)
    viewbox = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib |= {"viewBox": viewbox, "role": "img", "aria-labelledby": f"{name}-t {name}-d"}
    if style:
        root.set("style", style)
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        words = ElementTree.Element(tag, {"id": f"{name}-{tag[0]}"})
        words.text = text
        root.insert(position, words)
    return ElementTree.tostring(root, encoding="unicode")


def _drop_styles(root: ElementTree.Element) -> None:
    """Its style element would apply to the whole page."""
    for parent in root.iter():
        for child in list(parent):
            if _local(child.tag) == "style":
                parent.remove(child)


def _tidy(element: ElementTree.Element, name: str) -> None:
    """No name spaces, ids only where something refers to them, the page's colours and font."""
    element.tag = _local(element.tag)
    attributes = {_local(key): _rewritten(_local(key), value, name) for key, value in element.attrib.items()}
    if element.tag == "g":
        attributes.pop("id", None)
    element.attrib.clear()
    element.attrib |= {key: value for key, value in attributes.items() if value}
    element.tail = None
    if element.tag != "text" and not (element.text or "").strip():
        element.text = None


def _rewritten(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value.removeprefix('#')}"
    if key == "transform" and _NO_TURN.match(value):
        return ""
    value = " ".join(value.split()).replace("url(#", f"url(#{name}-")
    if key == "style":
        value = _FONT_FAMILY.sub("", value)
        for stand_in, variable in _VARIABLES.items():
            value = value.replace(stand_in, variable)
    return value


def _local(name: str) -> str:
    return name.rpartition("}")[2]
