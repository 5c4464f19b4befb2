import logging

import pytest
import torch
from torch import nn

from espnet_tutornet.teacher.names import ParametersMismatch, fill


class Model(nn.Module):
    """A model with an s3prl frontend, as ESPnet names its parts since 2022."""

    def __init__(self):
        super().__init__()
        self.frontend = nn.Module()
        self.frontend.upstream = nn.Module()
        self.frontend.upstream.upstream = nn.Module()
        self.frontend.upstream.upstream.model = nn.Linear(2, 2)
        self.ctc, self.decoder = nn.Linear(2, 3), None


@pytest.fixture
def trained():
    torch.manual_seed(1)
    return {name: torch.randn_like(v) for name, v in Model().state_dict().items()}


def test_parts_that_the_model_does_not_have_are_named_and_left_out(trained, caplog):
    """As ESPnet does where a decoder is left over of a training on CTC alone."""
    model = Model()
    more = {"decoder.a.weight": torch.ones(1), "decoder.b": torch.ones(1)}
    with caplog.at_level(logging.WARNING):
        fill(model, {**trained, **more})
    assert "no part for are left out: decoder.*" in caplog.text
    assert torch.equal(model.ctc.weight, trained["ctc.weight"])


def test_an_unknown_parameter_of_a_part_that_is_there_is_refused(trained):
    with pytest.raises(ParametersMismatch, match="Unexpected key.*ctc.more"):
        fill(Model(), {**trained, "ctc.more": torch.ones(1)})


def test_s3prl_of_before_september_2022_is_read(trained):
    model = Model()
    old = {k.replace("upstream.upstream.", "upstream."): v for k, v in trained.items()}
    assert "frontend.upstream.model.weight" in old
    fill(model, old)
    for name, value in model.state_dict().items():
        assert torch.equal(value, trained[name]), name
