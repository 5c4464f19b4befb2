"""How far a comparison is, and how long the rest will take."""

import time
from typing import Iterable, Sequence

from tqdm import tqdm

from espnet_tutornet.compare.grid import Setting
from espnet_tutornet.compare.trials import Trial, count_trials


class Progress:
    """Count trials by their epochs.

    Args:
        settings: all that will run.
        default_epochs: of settings that give no ``total_epochs``.
    """

    def __init__(self, settings: Sequence[Setting], default_epochs: int):
        self._default = default_epochs
        self._left = sum(count_trials(s) * self._epochs(s) for s in settings)
        self._trained = 0.0
        self._counted: set = set()
        self._start = self._last = time.time()
        self._before = 0.0  # seconds that went to data and teachers

    def _epochs(self, setting: Setting) -> float:
        return float(setting.options.get("total_epochs", self._default))

    def add(self, trials: Iterable[Trial], trained: bool) -> None:
        """Count trials that were trained now, or were complete before; each once."""
        for trial in set(trials) - self._counted:
            self._counted.add(trial)
            self._left -= self._epochs(trial.setting)
            self._trained += self._epochs(trial.setting) * trained
        self._last = time.time()

    def begin(self) -> None:
        """Begin to train students: the time since the last of them was not theirs."""
        now = time.time()
        self._before += now - self._last
        self._last = now

    def format(self) -> str:
        """Tell the time that went by and, from the trainings so far, what is left."""
        elapsed = time.time() - self._start
        text = f"{tqdm.format_interval(elapsed)} elapsed"
        if self._left <= 0:
            return text
        if not self._trained:
            return f"{text}, {self._left:.0f} epochs left"
        students = elapsed - self._before
        rest = tqdm.format_interval(students * self._left / self._trained)
        return f"{text}, about {rest} left"
