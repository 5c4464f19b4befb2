"""Names of the methods of a comparison, as ``run.sh --methods`` takes them.

A method is ``none``, a criterion such as ``skd`` or ``kl``, or a form of stage 1 that
begins with ``rkd``, an underscore, and ``task`` or a criterion: ``rkdmask_kl``.
"""

from typing import Tuple

NAMES = {
    "teacher": "Teacher",
    "none": "No distillation",
    "skd": "SKD only",
    "rkd_task": "RKD, then task loss",
    "rkd_skd": "RKD, then SKD",
}
ALONE = {"both": "SKD with RKD"}
THEN = {"task": "task loss", "skd": "SKD", **ALONE}


def split_method(method: str) -> Tuple[str, str]:
    """Return the form of stage 1 and what follows it; either may be empty.

    Example:
        >>> [split_method(name) for name in ("rkdmask_kl", "rkd_task", "skd")]
        [('rkdmask', 'kl'), ('rkd', 'task'), ('', 'skd')]
    """
    form, _, rest = method.partition("_")
    return (form, rest) if form.startswith("rkd") else ("", method)


def name_method(method: str) -> str:
    """Name a method in a table.

    Example:
        >>> [name_method(name) for name in ("rkd_skd", "kl", "rkdmask_both")]
        ['RKD, then SKD', 'SKD (kl) only', 'RKD (mask), then SKD with RKD']
    """
    if method in NAMES:
        return NAMES[method]
    form, rest = split_method(method)
    if not form:
        return ALONE.get(method, f"SKD ({method}) only")
    then = THEN.get(rest, f"SKD ({rest})")
    kind = form[len("rkd") :]
    return f"RKD ({kind}), then {then}" if kind else f"RKD, then {then}"


def rank_method(method: str) -> tuple:
    """Return the place of a method in a table: by what it does, ours first.

    Example:
        >>> sorted(["rkd_kl", "kl", "rkdmask_task", "skd", "none"], key=rank_method)
        ['none', 'skd', 'kl', 'rkdmask_task', 'rkd_kl']
    """
    form, rest = split_method(method)
    kind = ("rkd_task" if rest == "task" else "rkd_skd") if form else "skd"
    kind = method if method in NAMES else kind
    return list(NAMES).index(kind), method not in NAMES, method
