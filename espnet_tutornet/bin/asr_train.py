"""Train without distillation: ``espnet2.bin.asr_train`` with our encoders and masks."""

import espnet_tutornet.encoder.register  # noqa: F401
from espnet_tutornet.tasks.masking import MaskedASRTask
from espnet_tutornet.utils.command import exit_on_error


def get_parser():
    """Return ESPnet's ASR training parser."""
    return MaskedASRTask.get_parser()


@exit_on_error
def main(cmd=None):
    """Train as ``asr_train`` does, but let no utterance read its batch's padding.

    Example:
        % python -m espnet_tutornet.bin.asr_train --config train.yaml ...
    """
    MaskedASRTask.main(cmd=cmd)


if __name__ == "__main__":
    main()
