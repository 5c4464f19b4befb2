"""What ESPnet3's trainer needs to train a student: its data, and its stages.

ESPnet3 is part of ESPnet 202611. Its trainer builds the student by
:class:`TutorNetTask`, and hands the model what the dataset hands over.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Union

import numpy as np
import soundfile

from espnet_tutornet.cache.store import open_cache
from espnet_tutornet.data.data_dir import read_two_columns
from espnet_tutornet.utils.extras import needs_extra

TEMPLATE = "egs3.TEMPLATE.esp2_asr"  # whose configurations fill the gaps of ours


class DataDirectory:
    """Audio, transcripts and teacher outputs of a Kaldi data directory.

    An item is asked for by its utterance id, as ESPnet3's trainer does, or by its
    number, as its inference does. The stream ``teacher`` is what the student's
    :class:`CachedTeacher` reads.

    A recipe's ``dataset/__init__.py`` makes an ESPnet3 dataset of it::

        class Dataset(DataDirectory, BaseDataset):
            fields = (Field("speech", "audio"), Field("text", "text"))

    Args:
        data_dir: with ``wav.scp``, of audio files, and ``text``.
        teacher_cache: directory of a teacher's outputs; None: there is no stream.
        root: where relative paths of ``wav.scp`` start.

    Raises:
        FileNotFoundError: a file of the directory is missing.
        ValueError: utterances have no transcript or no teacher outputs, or ids that
            ESPnet3 would read as numbers.
    """

    def __init__(
        self,
        data_dir: Union[str, Path],
        teacher_cache: Optional[Union[str, Path]] = None,
        root: Union[str, Path] = ".",
    ):
        super().__init__()
        self.root = Path(root)
        self.audio = read_two_columns(Path(data_dir, "wav.scp"))
        self.texts = read_two_columns(Path(data_dir, "text"))
        self.ids: List[str] = list(self.audio)
        _refuse(
            [i for i in self.ids if i not in self.texts],
            f"in {data_dir}/wav.scp have no transcript",
            "Add them to its text, or remove the audio",
        )
        _refuse(
            [i for i in self.ids if _is_number(i)],
            f"in {data_dir} have ids that ESPnet3 reads as numbers",
            "Put the speaker or a letter before each",
        )
        self.cache = None if teacher_cache is None else open_cache(teacher_cache)
        if self.cache is not None:
            _refuse(
                [i for i in self.ids if i not in self.cache],
                f"of {data_dir} are not in {teacher_cache}",
                "Dump them (stage 8 of asr1/run.sh), or ask the teacher online",
            )

    def __len__(self) -> int:
        return len(self.ids)

    def keys(self) -> Iterator[str]:
        """Return the utterance ids."""
        return iter(self.ids)

    def __getitem__(self, index: Union[int, str]) -> Dict[str, Any]:
        """Return ``speech`` (S,), ``text`` and, of a cache, ``teacher`` (T, C)."""
        utt_id = index if isinstance(index, str) else self.ids[index]
        speech, _ = soundfile.read(self.root / self.audio[utt_id], dtype="float32")
        item = {"speech": speech, "text": self.texts[utt_id]}
        if self.cache is not None:
            item["teacher"] = np.ascontiguousarray(self.cache[utt_id])
        return item


def launch(argv: Optional[Sequence[str]] = None) -> None:
    """Run stages of a recipe in ESPnet3's layout.

    Tokens are the teacher's: there is no stage that makes some.

    Args:
        argv: ``--stages train infer measure --training_config ...``; None: those of
            the command line.

    Raises:
        RuntimeError: this ESPnet has no ESPnet3, or a library of it is not installed.

    Example:
        % python run.py --stages train --training_config conf/training.yaml
    """
    if find_spec("espnet3") is None:
        raise RuntimeError(
            "this ESPnet has no ESPnet3, expected release 202611 or newer. Install "
            "espnet_tutornet under Python 3.12 or newer, or train by asr1/run.sh."
        )
    with needs_extra("espnet3", "ESPnet3"):
        import jiwer  # noqa: F401  # of its stage measure
        import lightning  # noqa: F401
    system = import_module("espnet3.systems.base.system").BaseSystem
    run = import_module("espnet3.systems.launch").launch
    run(system, conf_package=TEMPLATE, argv=argv)


def _is_number(utt_id: str) -> bool:
    try:
        int(utt_id)  # as ESPnet3 tells numbers from ids: 1_2 is 12
    except ValueError:
        return False
    return True


def _refuse(ids: Sequence[str], what: str, remedy: str) -> None:
    if ids:
        raise ValueError(
            f"{len(ids)} utterances {what}: {', '.join(ids[:5])}"
            f"{' ...' if len(ids) > 5 else ''}. {remedy}."
        )
