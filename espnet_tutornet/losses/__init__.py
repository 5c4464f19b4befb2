"""Distillation losses: tensors in, scalar out, torch only.

Axes: B utterances, T frames after subsampling, D width, V tokens with blank.
"""

from espnet_tutornet.losses.criteria import CRITERIA
from espnet_tutornet.losses.frame_selection import BLANK_POLICIES, FrameSelection
from espnet_tutornet.losses.frame_weights import FRAME_WEIGHTS, FrameWeights
from espnet_tutornet.losses.masking import make_pad_mask, utterance_mean, zero_loss
from espnet_tutornet.losses.representation import RepresentationLoss
from espnet_tutornet.losses.schedules import SCHEDULES, WeightSchedule
from espnet_tutornet.losses.sequence import SequenceLoss, ctc_log_probs, utterance_ctc
from espnet_tutornet.losses.softmax import SoftmaxLoss

__all__ = [
    "BLANK_POLICIES",
    "CRITERIA",
    "FRAME_WEIGHTS",
    "FrameSelection",
    "FrameWeights",
    "RepresentationLoss",
    "SCHEDULES",
    "SequenceLoss",
    "SoftmaxLoss",
    "WeightSchedule",
    "ctc_log_probs",
    "make_pad_mask",
    "utterance_ctc",
    "utterance_mean",
    "zero_loss",
]
