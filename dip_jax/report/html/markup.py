"""HTML and SVG as trees of elements, so that any text in them is escaped by construction."""

import re
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

Child = Element | str | None | Iterable["Child"]

# What XML and HTML have no way to write, and lone surrogates, which UTF-8 cannot hold.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def tag(tag_name: str, /, *children: Child, **attributes: Any) -> Element:
    """An element with children: elements, texts, sequences of these; None is left out.

    An attribute's trailing underscore falls away, others become hyphens (`class_`, `aria_label`);
    None or False leaves it out, True gives it an empty value.
    """
    element = Element(tag_name)
    for key, value in attributes.items():
        if value is not None and value is not False:
            text = "" if value is True else str(value)
            element.set(key.rstrip("_").replace("_", "-"), _writable(text))
    _append(element, children)
    return element


def document(root: Element) -> str:
    """The whole HTML file of an `html` element.

    The text of `script` and `style` is written as it is: it must not come from outside.
    """
    return "<!doctype html>\n" + ElementTree.tostring(root, "unicode", "html") + "\n"


def _append(element: Element, children: Iterable[Child]) -> None:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Element):
            element.append(child)
        elif not isinstance(child, str):
            _append(element, child)
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + _writable(child)
        else:
            element.text = (element.text or "") + _writable(child)


def _writable(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
