"""Train with ``espnet2.bin.asr_train``, which then knows our encoders."""

from espnet2.bin import asr_train

import espnet_tutornet.encoder.register  # noqa: F401
from espnet_tutornet.bin.command import exit_on_error


def get_parser():
    """Return ESPnet's ASR training parser."""
    return asr_train.get_parser()


@exit_on_error
def main(cmd=None):
    """Train without distillation; all of ``asr_train``'s options hold.

    Example:
        % python -m espnet_tutornet.bin.asr_train --config train.yaml ...
    """
    asr_train.main(cmd)


if __name__ == "__main__":
    main()
