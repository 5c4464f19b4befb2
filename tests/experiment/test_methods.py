import pytest

from espnet_tutornet.experiment.methods import (
    NAMES,
    name_method,
    rank_method,
    split_method,
)


@pytest.mark.parametrize(
    "method, parts, name",
    [
        ("none", ("", "none"), "No distillation"),
        ("my_kl", ("", "my_kl"), "SKD (my_kl) only"),
        ("rkd_my_kl", ("rkd", "my_kl"), "RKD, then SKD (my_kl)"),
        ("both", ("", "both"), "SKD with RKD"),
        ("rkd_both", ("rkd", "both"), "RKD, then SKD with RKD"),
        ("rkdmask_skd", ("rkdmask", "skd"), "RKD (mask), then SKD"),
        ("rkdmask_task", ("rkdmask", "task"), "RKD (mask), then task loss"),
    ],
)
def test_a_method_is_split_and_named_by_its_parts(method, parts, name):
    assert split_method(method) == parts
    assert name_method(method) == name


def test_methods_are_ranked_by_what_they_do():
    others = ["kl", "rkdmask_task", "rkd_kl", "rkdmask_skd"]
    ranked = sorted([*others, *reversed(NAMES)], key=rank_method)
    assert ranked == [
        *("teacher", "none", "skd", "kl", "rkd_task", "rkdmask_task"),
        *("rkd_skd", "rkd_kl", "rkdmask_skd"),
    ]
