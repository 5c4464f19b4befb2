"""Read the options of run.sh: print them for the shell, or their help.

The shell gets a variable for each option, and ``stages``, those that are asked for and
have something to do. The standard library is enough for this command.
"""

import shlex
import sys
from typing import Optional, Sequence

from espnet_tutornet.experiment.fields import UsageError, format_help
from espnet_tutornet.experiment.options import Options
from espnet_tutornet.experiment.plan import Plan

USAGE = "./run.sh [--name value ...]"


def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Print shell assignments, or help; a command line that is wrong ends with 2."""
    words = list(sys.argv[1:] if cmd is None else cmd)
    if "--help" in words or "-h" in words:
        print(
            f"Usage: {USAGE}\n\nOptions, with their defaults:\n{format_help(Options)}"
        )
        return
    try:
        plan = Plan(Options.parse(words))
    except UsageError as error:
        print(f"run.sh: error: {error}", file=sys.stderr)
        sys.exit(2)
    layout, values = plan.layout, plan.options.words()
    values.update(
        stages=" ".join(map(str, plan.stages())),
        sets=" ".join(layout.prepared_sets + layout.hidden_sets),
        student_asr_config=" ".join(layout.students),
        teacher_name=layout.teacher.name,
        teacher_cache=layout.cache,
        rkd_epochs=str(plan.options.stage_1_epochs),
    )
    for name, value in values.items():
        print(f"{name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
