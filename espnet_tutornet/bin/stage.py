"""Run one stage of run.sh: its number or name, then the options of run.sh.

``data`` makes raw data directories of what the recipe knows, for ``local/data.sh``;
``format`` formats those, or what another ``local/data.sh`` has written; ``check``
checks what shows only after stage 0.
"""

import sys
from typing import Optional, Sequence

from espnet_tutornet.experiment.fields import UsageError
from espnet_tutornet.experiment.options import LAST_STAGE, Options
from espnet_tutornet.experiment.stages import Stages
from espnet_tutornet.utils.command import exit_on_error

NAMES = ("data", "format", "check")


@exit_on_error
def main(cmd: Optional[Sequence[str]] = None) -> None:
    """Run one stage, of which the first word is the name."""
    name, *words = list(sys.argv[1:] if cmd is None else cmd) or [""]
    numbers = [str(n) for n in range(LAST_STAGE + 1) if n != 1]  # that is data
    if name not in (*NAMES, *numbers):
        raise ValueError(
            f"expected a stage first, {', '.join((*NAMES, *numbers))}, got {name!r}."
        )
    try:
        stages = Stages(Options.parse(words))
        if name == "check":
            stages.check()
        elif name == "format":
            stages.data.format()
        else:
            stages.run(1 if name == "data" else int(name))
    except UsageError as error:
        print(f"run.sh: error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
