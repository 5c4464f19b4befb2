"""Methods of a comparison, as ``run.sh --methods`` names them.

A method is ``none``, a criterion such as ``skd`` or ``kl``, or a form of stage 1 that
begins with ``rkd``, an underscore, and ``task`` or a criterion: ``rkdmask_kl``. What a
name means is said here and nowhere else.
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
}
ALONE = {"skdwithrkd": "SKD with RKD"}
THEN = {"": "task loss", "skd": "SKD", **ALONE}
STAGE_1, NONE, TASK = "rkd", "none", "task"


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
        if not form.startswith(STAGE_1):
            return cls(name, criterion=name)
        if not rest:
            raise UsageError(
                f"--methods: {name} is stage 1 alone, expected {name}_{TASK} or "
                f"{name}_CRITERION."
            )
        return cls(name, form, "" if rest == TASK else rest)

    @property
    def overlays(self) -> Tuple[str, ...]:
        """What is laid over a student's configuration, in its stages together."""
        return tuple(filter(None, (self.form, self.criterion)))

    @property
    def needs_teacher(self) -> bool:
        """Whether a teacher plays a part."""
        return bool(self.overlays)


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
    kind = method.form[len(STAGE_1) :]
    return f"RKD ({kind}), then {then}" if kind else f"RKD, then {then}"


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
            kind = "rkd_skd" if method.criterion else "rkd_task"
    return list(TITLES).index(kind), name not in TITLES, name
