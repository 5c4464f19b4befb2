"""What a report is about: runs, the data they were tested on, and its limits."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Dict, List, Sequence

from espnet_tutornet.report.experiments import Experiment
from espnet_tutornet.report.pictures import Styles, choose_styles
from espnet_tutornet.report.points import Point
from espnet_tutornet.scoring.score import Texts, read_text


@dataclass
class Setting:
    """Everything that the sections share.

    Attributes:
        experiments: all runs.
        points: the same, gathered over seeds.
        inference: whose scores count, ``ctc_greedy`` of ``decode_ctc_greedy``.
        datadir: its ``<set>/`` hold text and wav.scp.
        students: to draw in full; tables have all.
        test_sets: to draw.
        utterances: ids to show; or their number.
        speech_set: set that utterances and spikes are from.
        spike_utterances: to listen to for the spikes.
        top: confusions to show.
        notes: what was missing, added to by the sections.
    """

    experiments: List[Experiment]
    points: List[Point]
    inference: str
    datadir: Path
    students: List[str]
    test_sets: List[str]
    utterances: Sequence[str] = ("3",)
    speech_set: str = ""
    spike_utterances: int = 100
    top: int = 10
    notes: List[str] = field(default_factory=list)
    references: Dict[str, Texts] = field(default_factory=dict)

    def drawn(self, test_set: str) -> List[Point]:
        """Return the points to draw that are scored on ``test_set``."""
        return [p for p in self._all_drawn() if p.wer.get(test_set)]

    @cached_property
    def styles(self) -> Styles:
        """Colour and marker of each method, the same in every picture."""
        return choose_styles((p.method, p.label) for p in self._all_drawn())

    def _all_drawn(self) -> List[Point]:
        known = self.students
        return [p for p in self.points if p.student in known or p.method == "teacher"]

    def reference(self, test_set: str) -> Texts:
        """Return the transcripts of a set, {} with a note where there are none."""
        if test_set not in self.references:
            path = self.datadir / test_set / "text"
            if path.is_file():
                self.references[test_set] = read_text(path)
            else:
                self.references[test_set] = {}
                self.notes.append(
                    f"{test_set}: no transcripts in the data directory "
                    f"{self.datadir.name} (--datadir)."
                )
        return self.references[test_set]

    def left_out(self) -> str:
        """Say which students are in the tables alone, "" for none."""
        students = {p.student for p in self.points if p.method != "teacher"}
        rest = len(students) - len(self.students)
        if not rest:
            return ""
        return (
            f" Drawn are {len(self.students)} of {len(students)} students "
            "(--students chooses them)."
        )
