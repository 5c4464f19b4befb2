import pytest

from espnet_tutornet.experiment.methods import (
    TITLES,
    Method,
    name_method,
    rank_method,
)


@pytest.mark.parametrize(
    "method, parts, name",
    [
        ("none", ("", ""), "No distillation"),
        ("my_kl", ("", "my_kl"), "SKD (my_kl) only"),
        ("rkd_my_kl", ("rkd", "my_kl"), "RKD, then SKD (my_kl)"),
        ("skdwithrkd", ("", "skdwithrkd"), "SKD with RKD"),
        ("rkd_skdwithrkd", ("rkd", "skdwithrkd"), "RKD, then SKD with RKD"),
        ("rkdmask_skd", ("rkdmask", "skd"), "RKD (mask), then SKD"),
        ("rkdmask_task", ("rkdmask", ""), "RKD (mask), then task loss"),
    ],
)
def test_a_method_is_split_and_named_by_its_parts(method, parts, name):
    parsed = Method.parse(method)
    assert (parsed.form, parsed.criterion) == parts
    assert name_method(method) == name


def test_methods_are_ranked_by_what_they_do():
    others = ["kl", "rkdmask_task", "rkd_kl", "rkdmask_skd"]
    ranked = sorted([*others, *reversed(TITLES)], key=rank_method)
    assert ranked == [
        *("teacher", "none", "skd", "kl", "rkd_task", "rkdmask_task"),
        *("rkd_skd", "rkd_kl", "rkdmask_skd"),
    ]


def test_stage_1_alone_is_no_method():
    with pytest.raises(ValueError, match="rkdmask is stage 1 alone, expected rkdmask_"):
        Method.parse("rkdmask")
