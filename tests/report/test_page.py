import xml.etree.ElementTree as ET

from espnet_tutornet.report.page import (
    Audio,
    Figure,
    Figures,
    Heading,
    Section,
    Table,
    render_page,
)
from espnet_tutornet.report.pictures import Picture

OPENING = Section("answer", "In short").say("The best is x.")


def render(sections, notes=()):
    return render_page("A & B", "sub < title", OPENING, sections, notes)


def tree(page):
    return ET.fromstring(page.removeprefix("<!DOCTYPE html>"))


def test_what_runs_are_called_is_no_markup():
    evil = "<script>alert('x')</script>"
    section = Section("s", evil).say(evil)
    section.blocks += [
        Heading(evil),
        Table(evil, [evil], [[evil, evil]]),
        Audio(evil, "data:audio/flac;base64,AA=="),
        Figures([Figure(Picture("p", "<svg></svg>"), evil)]),
    ]
    page = render([section], [evil])
    assert page.startswith("<!DOCTYPE html>\n<html")
    assert not tree(page).findall(".//script")
    assert page.count("&lt;script&gt;") >= 8


def test_table_rows_have_headings_and_a_box_to_scroll_in():
    section = Section("s", "S")
    section.blocks.append(Table("caption", ["a", "b"], [["x", "1"]], folded=True))
    root = tree(render([section]))
    box = root.find(".//details/div")
    assert box.attrib["class"] == "scroll" and box.attrib["tabindex"] == "0"
    assert [c.text for c in box.findall(".//thead//th")] == ["a", "b"]
    assert [c.attrib["scope"] for c in box.findall(".//tbody//th")] == ["row"]


def test_every_section_is_linked_and_notes_come_last():
    sections = [Section("one", "One").say("x"), Section("two", "Two").say("y")]
    root = tree(render(sections, ["a note"]))
    links = [a.attrib["href"] for a in root.findall(".//nav//a")]
    assert links == ["#one", "#two"]
    found = [s.attrib["id"] for s in root.findall(".//main/section")]
    assert found == ["answer", "one", "two", "notes"]
    opened, nav = list(root.find(".//main"))[:2]
    assert (opened.attrib["id"], nav.tag) == ("answer", "nav")
    assert tree(render(sections)).find(".//section[@id='notes']") is None
