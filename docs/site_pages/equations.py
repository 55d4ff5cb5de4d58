"""TeX to MathML, which browsers draw by themselves: no script, no font, no network."""

import html
import re

from latex2mathml.converter import convert

ARITHMATEX = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', flags=re.DOTALL)


def drawn(page: str) -> str:
    """The page's equations, marked by arithmatex, as MathML."""
    return ARITHMATEX.sub(_mathml, page)


def _mathml(found: re.Match[str]) -> str:
    tex, block = html.unescape(found[2]).strip(), found[1] == "div"
    markup = convert(tex, display="block" if block else "inline")
    return f'<div class="equation">{markup}</div>' if block else markup
