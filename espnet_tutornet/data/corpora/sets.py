"""The corpora that the recipe brings, and their sets; read before an installation."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Corpus:
    """The sets of a corpus, and the configurations that are sized for it.

    Attributes:
        train_sets: joined for training.
        valid_set: the dev set.
        test_sets: what is decoded.
        size: of ``conf/train_student_<size>.yaml``; empty: ``conf/train_student.yaml``.
    """

    train_sets: str = "train_clean"
    valid_set: str = "dev_clean"
    test_sets: str = "test_clean test_other"
    size: str = ""


LIBRISPEECH_TESTS = "dev_clean dev_other test_clean test_other"
CORPORA = {
    "mini": Corpus(size="mini"),
    "digits": Corpus(),
    "mini_librispeech": Corpus("train_clean_5", "dev_clean_2", "dev_clean_2"),
    "librispeech_100": Corpus(
        "train_clean_100", "dev_clean", LIBRISPEECH_TESTS, "librispeech"
    ),
    "librispeech_960": Corpus(
        "train_clean_100 train_clean_360 train_other_500",
        "dev_clean",
        LIBRISPEECH_TESTS,
        "librispeech",
    ),
}
