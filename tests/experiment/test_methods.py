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
        ("copy_task", ("copy", ""), "Teacher's blocks, then task loss"),
        (
            "copyfirst_kl",
            ("copyfirst", "kl"),
            "Teacher's blocks (first), then SKD (kl)",
        ),
    ],
)
def test_a_method_is_split_and_named_by_its_parts(method, parts, name):
    parsed = Method.parse(method)
    assert (parsed.form, parsed.criterion) == parts
    assert name_method(method) == name


def test_methods_are_ranked_by_what_they_do():
    others = ["kl", "rkdmask_task", "rkd_kl", "rkdmask_skd", "copy_kl", "copya_task"]
    ranked = sorted([*others, *reversed(TITLES)], key=rank_method)
    assert ranked == [
        *("teacher", "none", "skd", "kl", "rkd_task", "rkdmask_task"),
        *("rkd_skd", "rkd_kl", "rkdmask_skd"),
        *("copy_task", "copya_task", "copy_skd", "copy_kl"),
    ]


@pytest.mark.parametrize("form", ["rkdmask", "copy"])
def test_stage_1_alone_is_no_method(form):
    message = f"{form} is stage 1 alone, expected {form}_task"
    with pytest.raises(ValueError, match=message):
        Method.parse(form)


def test_a_copy_is_no_training_and_needs_a_file_where_it_has_a_name_of_its_own():
    copied, named, trained = map(Method.parse, ("copy_skd", "copya_task", "rkd_task"))
    assert copied.copies and not copied.trains_first and copied.needs_teacher
    assert trained.trains_first and not trained.copies
    assert copied.overlays == ("skd",) and named.overlays == ("copya",)
    assert Method.parse("copy_task").needs_teacher
