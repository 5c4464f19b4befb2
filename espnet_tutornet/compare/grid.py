"""The grid of a comparison: a yaml of studies, checked, and the settings they mean.

.. code-block:: yaml

    options: {corpus_dir: digits, total_epochs: 20}  # of run.sh, for all studies
    studies:
    - name: same_data
      students: [conf/tuning/train_student_rnn.yaml]
      methods: [none, skd, rkd_skd]
      seeds: [1, 2, 3]
      options: {}  # more of run.sh
      axes: {num_labelled: [400, 100]}  # options of run.sh; all combinations are run
      learning_rates: [0.002, 0.004]  # several: searched for all alike; one: taken
      search_seeds: [1]  # of the search; default: the first seed
"""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Tuple, Union

from espnet_tutornet.experiment.fields import to_word
from espnet_tutornet.experiment.options import RENAMED, Options
from espnet_tutornet.utils.reading import read_yaml

GRID_KEYS = ("options", "studies")
STUDY_KEYS = ("name", "students", "methods", "seeds", "options", "axes")
STUDY_KEYS += ("learning_rates", "search_seeds")
NEEDED = ("name", "students", "methods", "seeds")
OWN = {  # options that the comparison gives itself: what to write instead
    **{key: f"the key {key} of a study" for key in ("methods", "seeds")},
    "student_asr_config": "the key students of a study",
    "nj": "--nj on the command line",
    "python": "nothing: jobs run in the Python of this command",
    **dict.fromkeys(("datadir", "dumpdir", "expdir"), "--out_dir on the command line"),
    **dict.fromkeys(("teacher_dir", "teacher_cache"), "nothing, it is shared anyway"),
    **dict.fromkeys(("stage", "stop_stage", "keep_going"), "nothing, all is run"),
}
Values = Dict[str, str]  # of options of run.sh, as words


@dataclass(frozen=True, eq=False)
class Setting:
    """What is compared with each other: one study at one point of its axes.

    Attributes:
        name: of its directory, such as ``same_data+num_labelled_100``.
        study: name of the study.
        axes: the values that tell this setting from others of the study.
        options: all options given to run.sh, those of ``axes`` among them.
        students: configurations.
        methods: as ``run.sh --methods`` takes them.
        seeds: of the trainings.
        learning_rates: to search; a single one is taken; empty: those of the
            configurations.
        search_seeds: seeds of the search.
    """

    name: str
    study: str
    axes: Values
    options: Values
    students: Tuple[str, ...]
    methods: Tuple[str, ...]
    seeds: Tuple[int, ...]
    learning_rates: Tuple[str, ...]
    search_seeds: Tuple[int, ...]


def to_words(value) -> str:
    """Write a value of the yaml as an option of run.sh.

    Example:
        >>> [to_words(value) for value in (["a", "b"], True, None, 0.5)]
        ['a b', 'true', '', '0.5']
    """
    if isinstance(value, (list, tuple)):
        return " ".join(map(to_words, value))
    return "" if value is None else to_word(value)


def read_grid(path: Union[str, Path], given: Mapping[str, str]) -> List[Setting]:
    """Read a grid.

    Args:
        path: the yaml.
        given: options from the command line, which override those of the file.

    Returns:
        The settings, study by study.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: an unknown or missing key, an option that run.sh does not have or
            that is not for the grid, a value of the wrong kind, a name twice.
    """
    path = Path(path)
    grid = read_yaml(path, "a grid of studies", "Give another --grid.")
    _check_keys(str(path), grid, GRID_KEYS, ("studies",))
    known = sorted(set(Options().words()) - set(OWN))
    common = _read_options(f"{path}: options", grid.get("options"), known)
    _read_options("--options", given, known)
    settings: List[Setting] = []
    for number, study in enumerate(_list(str(path), grid, "studies"), 1):
        where = f"{path}: study {number}"
        _check_keys(where, study, STUDY_KEYS, NEEDED)
        own = _read_options(f"{where}: options", study.get("options"), known)
        axes = study.get("axes") or {}
        _read_options(f"{where}: axes", axes, known)
        points = [_list(f"{where}: axes", axes, key) for key in axes]
        for point in itertools.product(*points):
            values = dict(zip(axes, map(to_words, point)))
            options = {**common, **own, **given, **values}
            settings.append(_make_setting(where, study, values, options))
    names = [setting.name for setting in settings]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"{path}: {name} comes {names.count(name)} times. Give every study a "
                "name of its own, and every file of an axis too."
            )
    return settings


def _make_setting(where: str, study: dict, axes: Values, options: Values) -> Setting:
    rates = _list(where, study, "learning_rates") if "learning_rates" in study else []
    seeds = _list(where, study, "seeds")
    if not re.fullmatch(r"[\w.-]+", str(study["name"])):
        raise ValueError(
            f"{where}: name is that of a directory, expected letters, digits, _, - and "
            f"., got {study['name']!r}."
        )
    scored = options.get("test_sets", "").split()
    if rates and options.get("valid_set") not in scored:
        raise ValueError(
            f"{where}: learning_rates are chosen by the WER on the dev set: expected "
            "the option valid_set and test_sets with it, got "
            f"{options.get('valid_set')!r} and {scored}. Write both."
        )
    return Setting(
        name="+".join([str(study["name"]), *(f"{k}_{_slug(axes[k])}" for k in axes)]),
        study=str(study["name"]),
        axes=axes,
        options=options,
        students=tuple(map(str, _list(where, study, "students"))),
        methods=tuple(map(str, _list(where, study, "methods"))),
        seeds=_whole(where, seeds),
        learning_rates=tuple(map(str, rates)),
        search_seeds=_whole(where, study.get("search_seeds", seeds[:1])),
    )


def _slug(value: str) -> str:
    """Shorten a value to what a directory may be called: files to their names.

    Commas and equal signs part what ESPnet's options take: no directory may have them.
    """
    words = [Path(word).stem if "/" in word else word for word in value.split()]
    return re.sub(r"[^\w.-]+", "+", " ".join(words)) or "default"


def _whole(where: str, seeds: list) -> Tuple[int, ...]:
    if not isinstance(seeds, list) or any(type(seed) is not int for seed in seeds):
        raise ValueError(
            f"{where}: seeds must be a list of whole numbers, got {seeds}."
        )
    return tuple(seeds)


def _list(where: str, mapping: dict, key: str) -> list:
    values = mapping[key]
    if not isinstance(values, list) or not values:
        raise ValueError(
            f"{where}: {key} must be a list of one or more, got {values!r}."
        )
    return values


def _check_keys(where: str, found, known: Tuple[str, ...], needed) -> None:
    if not isinstance(found, dict):
        raise ValueError(f"{where}: expected keys {', '.join(known)}, got {found!r}.")
    for key in found:
        if key not in known:
            raise ValueError(
                f"{where}: unknown key {key!r}, expected one of {', '.join(known)}. "
                "Options of run.sh go under options or axes."
            )
    for key in needed:
        if key not in found:
            raise ValueError(f"{where}: needs the key {key!r}, got {', '.join(found)}.")


def _read_options(where: str, options, known: List[str]) -> Values:
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise ValueError(f"{where}: expected options of run.sh, got {options!r}.")
    for name in options:
        if name in RENAMED:
            raise ValueError(f"{where}: {name} is called {RENAMED[name]} now.")
        if name in OWN:
            raise ValueError(f"{where}: {name} is not for a grid. Use {OWN[name]}.")
        if name not in known:
            raise ValueError(
                f"{where}: run.sh has no option {name!r}, it has {', '.join(known)}."
            )
    return {name: to_words(value) for name, value in options.items()}
