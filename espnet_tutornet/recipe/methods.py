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
        >>> [name_method(name) for name in ("rkd_skd", "kl", "rkdmask_task")]
        ['RKD, then SKD', 'SKD (kl) only', 'RKD (mask), then task loss']
    """
    if method in NAMES:
        return NAMES[method]
    form, rest = split_method(method)
    then = {"skd": "SKD", "task": "task loss"}.get(rest, f"SKD ({rest})")
    if not form:
        return f"{then} only"
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
