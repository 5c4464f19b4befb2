"""Methods of a comparison, as ``run.sh --methods`` names them.

A method is ``none``, a criterion such as ``skd`` or ``kl``, or a form of stage 1 that
begins with ``rkd`` or ``copy``, an underscore, and ``task`` or a criterion:
``rkdmask_kl``. What a name means is said here and nowhere else.
"""

from dataclasses import dataclass
from typing import Tuple

from espnet_tutornet.experiment.fields import UsageError

TITLES = {
    "teacher": "Teacher",
    "none": "No distillation",
    "skd": "SKD only",
    "rkd_task": "RKD, then task loss",
    "rkd_skd": "RKD, then SKD",
    "copy_task": "Teacher's blocks, then task loss",
    "copy_skd": "Teacher's blocks, then SKD",
}
ALONE = {"skdwithrkd": "SKD with RKD"}
THEN = {"": "task loss", "skd": "SKD", **ALONE}
TRAINED, COPIED = "rkd", "copy"  # what the forms of stage 1 begin with
NONE, TASK = "none", "task"
KINDS = {TRAINED: "RKD", COPIED: "Teacher's blocks"}


@dataclass(frozen=True)
class Method:
    """What a student learns by.

    Attributes:
        name: of the method.
        form: of stage 1, which it starts from; empty: there is none.
        criterion: what it learns beside the task loss; empty: nothing.

    Example:
        >>> Method.parse("rkdmask_kl")
        Method(name='rkdmask_kl', form='rkdmask', criterion='kl')
        >>> Method.parse("rkd_task").overlays, Method.parse("none").overlays
        (('rkd',), ())
        >>> Method.parse("copy_skd").copies, Method.parse("copy_skd").overlays
        (True, ('skd',))
    """

    name: str
    form: str = ""
    criterion: str = ""

    @classmethod
    def parse(cls, name: str) -> "Method":
        """Take a name apart.

        Raises:
            UsageError: it is a form of stage 1 alone.
        """
        if name == NONE:
            return cls(name)
        form, _, rest = name.partition("_")
        if not form.startswith(tuple(KINDS)):
            return cls(name, criterion=name)
        if not rest:
            raise UsageError(
                f"--methods: {name} is stage 1 alone, expected {name}_{TASK} or "
                f"{name}_CRITERION."
            )
        return cls(name, form, "" if rest == TASK else rest)

    @property
    def trains_first(self) -> bool:
        """Whether its stage 1 is a training, which takes some of the epochs."""
        return self.form.startswith(TRAINED)

    @property
    def copies(self) -> bool:
        """Whether the student begins as blocks of the teacher."""
        return self.form.startswith(COPIED)

    @property
    def overlays(self) -> Tuple[str, ...]:
        """What ``distill_<name>.yaml`` is needed of; ``copy`` can do without."""
        form = "" if self.form == COPIED else self.form
        return tuple(filter(None, (form, self.criterion)))

    @property
    def needs_teacher(self) -> bool:
        """Whether a teacher plays a part."""
        return bool(self.form or self.criterion)


def name_method(name: str) -> str:
    """Name a method in a table.

    Example:
        >>> [name_method(name) for name in ("rkd_skd", "kl", "rkdmask_skdwithrkd")]
        ['RKD, then SKD', 'SKD (kl) only', 'RKD (mask), then SKD with RKD']
    """
    if name in TITLES:
        return TITLES[name]
    method = Method.parse(name)
    if not method.form:
        return ALONE.get(name, f"SKD ({name}) only")
    then = THEN.get(method.criterion, f"SKD ({method.criterion})")
    start = COPIED if method.copies else TRAINED
    kind = method.form[len(start) :]
    return f"{KINDS[start]}{f' ({kind})' if kind else ''}, then {then}"


def rank_method(name: str) -> tuple:
    """Return the place of a method in a table: by what it does, ours first.

    Example:
        >>> sorted(["rkd_kl", "kl", "rkdmask_task", "skd", "none"], key=rank_method)
        ['none', 'skd', 'kl', 'rkdmask_task', 'rkd_kl']
    """
    kind = name
    if name not in TITLES:
        method = Method.parse(name)
        kind = "skd"
        if method.form:
            start = COPIED if method.copies else TRAINED
            kind = f"{start}_{'skd' if method.criterion else TASK}"
    return list(TITLES).index(kind), name not in TITLES, name
