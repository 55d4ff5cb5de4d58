"""Where links of the repository lead in the site."""

import posixpath
import re

OUTSIDE = {"CONTRIBUTING.md": "contributing.md", "docs/notebook.ipynb": "notebook.md"}
"""What the site has pages of that are no Markdown under docs/."""
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)#\s]*)((?:#[^)\s]*)?\))")


def resite(markdown: str, page: str, source: str) -> str:
    """Relative links of a document, `source` in the repository, made right for its place `page` in the site.

    ValueError for a link to a file that is no page of the site.
    """

    def changed(found: re.Match[str]) -> str:
        target = found[2]
        if not target or ":" in target:
            return found[0]
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        return (
            found[1] + posixpath.relpath(_in_site(place, source), posixpath.dirname(page) or ".") + found[3]
        )

    return LINK.sub(changed, markdown)


def _in_site(place: str, source: str) -> str:
    """Path in the repository to path in the site."""
    if place in OUTSIDE:
        return OUTSIDE[place]
    if place.startswith("docs/"):
        return place.removeprefix("docs/")
    if place.startswith("leaderboards/"):
        return place
    raise ValueError(f"{source}: a link to {place}, which is no page of the site; name it as code instead")
