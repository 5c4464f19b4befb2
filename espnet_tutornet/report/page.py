"""Put sections of text, pictures, tables and audio into one HTML page."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Sequence

import jinja2

from espnet_tutornet.report.pictures import Picture

TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str
    kind: str = "heading"


@dataclass(frozen=True)
class Figure:
    """A picture and what is written under it."""

    picture: Picture
    caption: str


@dataclass(frozen=True)
class Figures:
    """Pictures side by side where there is room; ``wide``: one, as large as fits."""

    figures: Sequence[Figure]
    wide: bool = False
    kind: str = "figures"


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its heading; ``narrow``: fits a phone."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False
    narrow: bool = False
    kind: str = "table"


@dataclass(frozen=True)
class Audio:
    """Something to play, as a ``data:`` address."""

    label: str
    source: str
    kind: str = "audio"


@dataclass
class Section:
    """A part of the page; ``name`` is what a link to it ends with."""

    name: str
    title: str
    blocks: List = field(default_factory=list)

    def say(self, text: str) -> "Section":
        """Add a paragraph."""
        self.blocks.append(Text(text))
        return self


def render_page(
    title: str,
    subtitle: str,
    opening: Section,
    sections: Sequence[Section],
    notes: Sequence[str],
) -> str:
    """Render the page: well-formed, and without a single address to load from.

    Args:
        title: of the page.
        subtitle: a sentence under it.
        opening: what comes before the table of contents.
        sections: in their order.
        notes: what was missing; none leave the section out.
    """
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(
        title=title,
        subtitle=subtitle,
        opening=opening,
        sections=sections,
        notes=notes,
    )
    return page.lstrip()
