"""Train a student: ``espnet2.bin.asr_train`` with ``--distill_conf``."""

from espnet_tutornet.tasks.asr_tutornet import TutorNetTask
from espnet_tutornet.utils.command import exit_on_error


def get_parser():
    """Return ESPnet's ASR training parser with the distillation options."""
    return TutorNetTask.get_parser()


@exit_on_error
def main(cmd=None):
    """Train; all of ``asr_train``'s options hold.

    Example:
        % python -m espnet_tutornet.bin.tutornet_train --config train.yaml \
            --distill_conf teacher.config=exp/teacher/config.yaml ...
    """
    TutorNetTask.main(cmd=cmd)


if __name__ == "__main__":
    main()
