"""Put these encoders among ESPnet's choices; importing this module does it."""

from espnet2.tasks.asr import encoder_choices

from espnet_tutornet.encoder.deepspeech2 import DeepSpeech2Encoder
from espnet_tutornet.encoder.jasper import JasperEncoder

ENCODERS = {"jasper": JasperEncoder, "deepspeech2": DeepSpeech2Encoder}


def register_encoders() -> None:
    """Let ``encoder: jasper`` and ``encoder: deepspeech2`` mean ours from now on."""
    encoder_choices.classes.update(ENCODERS)


register_encoders()
