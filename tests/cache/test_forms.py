import numpy as np
import pytest
import torch

from espnet_tutornet.cache.forms import (
    PlainForm,
    PosteriorForm,
    ProductQuantisedForm,
    build_hidden_form,
    learn_codebooks,
    split_groups,
    unpack,
)


def posteriors(frames=6, vocab_size=10, seed=0):
    torch.manual_seed(seed)
    return torch.randn(frames, vocab_size).mul(3).log_softmax(-1)


def through(form, x):
    """Encode one utterance and decode it as a batch of one."""
    return form.decode(torch.as_tensor(form.encode(x)).unsqueeze(0))[0]


def test_top_k_by_hand():
    form = PosteriorForm(vocab_size=4, top_k=2)
    probs = torch.tensor([[0.25, 0.5, 0.125, 0.125], [0.0, 0.5, 0.5, 0.0]])
    kept = form.encode(probs.log())
    assert form.columns == 3 and form.bytes_per_frame == 6
    assert kept[0].tolist() == [1, round(0.25 * 32767), round(0.5 * 32767)]
    assert kept[1, 1] == 0, "blank is kept however unlikely it is"
    read = through(form, probs.log()).exp()
    # the rest, a quarter, is spread evenly over the two tokens that were not kept
    torch.testing.assert_close(read[0], probs[0], atol=1e-4, rtol=0)


def test_rest_mass_is_spread_over_the_other_tokens():
    log_probs = posteriors(frames=50, vocab_size=30)
    form = PosteriorForm(30, top_k=5)
    read = through(form, log_probs).exp()
    torch.testing.assert_close(read.sum(-1), torch.ones(50), atol=1e-3, rtol=0)
    ids = torch.as_tensor(form.encode(log_probs)[:, :4]).long()
    assert (ids != 0).all()
    ids = torch.cat([torch.zeros(50, 1, dtype=torch.long), ids], dim=1)
    kept = log_probs.exp().gather(1, ids)
    torch.testing.assert_close(read.gather(1, ids), kept, atol=1.6e-5, rtol=0)
    others = read.scatter(1, ids, 0.0)
    highest = others.max(-1, keepdim=True).values.expand(-1, 30)
    low = others.scatter(1, ids, highest)
    torch.testing.assert_close(low, highest)


def test_many_tokens_cost_no_more_bytes_than_few():
    """Up to what two bytes can name; ids reach to both ends."""
    few, many = (PosteriorForm(size, top_k=3) for size in (5000, 65536))
    assert many.bytes_per_frame == few.bytes_per_frame == 10
    log_probs = torch.full((1, 65536), -30.0)
    log_probs[0, [0, 1, 65535]] = torch.tensor([0.25, 0.25, 0.5]).log()
    kept = many.encode(log_probs)
    assert kept.min() >= -32768 and kept.max() <= 32767
    read = through(many, log_probs).exp()[0]
    assert read[[0, 1, 65535]].tolist() == pytest.approx([0.25, 0.25, 0.5], abs=1e-4)
    assert few.read(torch.zeros(1, 2, few.columns))[0].unique().tolist() == [0]


def test_all_tokens_are_kept_without_ids():
    log_probs = posteriors()
    form = PosteriorForm(10, top_k=50)
    assert form.top_k == form.columns == 10 and form.bytes_per_frame == 20
    read = through(form, log_probs).exp()
    torch.testing.assert_close(read, log_probs.exp(), atol=1.6e-5, rtol=0)


def test_a_probability_of_nothing_has_a_finite_logarithm():
    log_probs = torch.tensor([[0.0, -200.0, -200.0]])
    for form in (PosteriorForm(3, 2), PosteriorForm(3, 3)):
        assert through(form, log_probs).isfinite().all()


@pytest.mark.parametrize("blank_id", [0, 3, 9])
def test_blank_may_be_any_token(blank_id):
    log_probs = posteriors(frames=40)
    form = PosteriorForm(10, top_k=9, blank_id=blank_id)
    read = through(form, log_probs).exp()  # one token is missing, its mass is known
    torch.testing.assert_close(read, log_probs.exp(), atol=2e-4, rtol=0)


@pytest.mark.parametrize(
    "arguments, message",
    [((10, 1), "at least 2.*got 1"), ((65537, 8), "cannot name 65537 tokens")],
)
def test_posteriors_that_cannot_be_kept_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        PosteriorForm(*arguments)


def test_codes_by_hand():
    books = np.zeros((2, 256, 2), np.float32)
    books[0, 7], books[1, 9] = (1.0, 1.0), (5.0, 0.0)
    books[:, 10:] = 100.0
    form = ProductQuantisedForm(books, width=3)
    hidden = torch.tensor([[1.1, 0.8, 4.9], [0.1, 0.0, 0.0]])
    kept = form.encode(hidden)
    assert kept[0].tolist() == [7, 9]
    expected = torch.tensor([[1.0, 1.0, 5.0], [0.0, 0.0, 0.0]])
    assert torch.equal(through(form, hidden), expected)
    assert form.bytes_per_frame == 2


def test_the_nearest_centroid_is_taken_in_every_frame():
    rng = np.random.default_rng(0)
    books = rng.normal(size=(3, 256, 4)).astype(np.float32)
    hidden = rng.normal(size=(150, 12)).astype(np.float32)
    groups = hidden.reshape(150, 3, 1, 4)
    nearest = np.square(groups - books).sum(-1).argmin(-1)
    kept = ProductQuantisedForm(books, width=12).encode(torch.as_tensor(hidden))
    assert kept.dtype == np.float32 and np.array_equal(kept, nearest)


@pytest.mark.parametrize("width, codes, useful", [(48, 32, 24), (8, 3, 3), (5, 4, 3)])
def test_codebooks_of_nothing_but_filling_are_left_out(width, codes, useful):
    frames = np.random.default_rng(0).normal(size=(300, width))
    books = learn_codebooks(frames, codes)
    assert len(books) == useful
    assert ProductQuantisedForm(books, width).bytes_per_frame == useful


@pytest.mark.parametrize("codes", [2, 3, 8])
def test_learned_codebooks_come_close_and_more_codes_closer(codes):
    frames = np.random.default_rng(0).normal(size=(2000, 8)).astype(np.float32)
    form = build_hidden_form("pq", 8, learn_codebooks(frames, codes))
    read = through(form, torch.as_tensor(frames))
    error = float((read - torch.as_tensor(frames)).pow(2).mean())
    assert read.shape == (2000, 8)
    assert error < {2: 0.30, 3: 0.16, 8: 0.002}[codes], "of a variance of one"


def test_learning_is_repeatable():
    frames = np.random.default_rng(0).normal(size=(600, 4))
    first, second = learn_codebooks(frames, 2), learn_codebooks(frames, 2)
    assert np.array_equal(first, second)


@pytest.mark.parametrize("frames, codes", [(255, 2), (300, 5), (300, 0)])
def test_codebooks_that_cannot_be_learned_are_refused(frames, codes):
    with pytest.raises(ValueError, match=rf"got {frames} frames, D = 4 and {codes}"):
        learn_codebooks(np.zeros((frames, 4)), codes)


def test_codebooks_of_another_width_are_refused():
    with pytest.raises(ValueError, match=r"M \* G >= 9, got \(2, 256, 4\)"):
        ProductQuantisedForm(np.zeros((2, 256, 4)), width=9)


def test_groups_are_filled_up():
    groups = split_groups(torch.arange(5.0).unsqueeze(0), 2)
    assert groups.tolist() == [[[0.0, 1.0, 2.0], [3.0, 4.0, 0.0]]]


@pytest.mark.parametrize("name, size", [("one_byte", 8), ("two_byte", 16)])
def test_plain_forms_keep_every_value(name, size):
    form = build_hidden_form(name, 8)
    hidden = torch.randn(5, 8)
    assert isinstance(form, PlainForm)
    assert torch.equal(through(form, hidden), hidden)
    assert form.bytes_per_frame == size


def test_an_unknown_form_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"one of \['one_byte', 'pq', 'two_byte'\]"):
        build_hidden_form("float16", 8)


def test_unpack_cuts_at_the_columns():
    forms = {"last": PlainForm(3, 2), "posteriors": PosteriorForm(4, 4)}
    matrix = torch.cat([torch.ones(1, 2, 3), torch.full((1, 2, 4), 32767.0)], dim=-1)
    streams = unpack(matrix, forms)
    assert torch.equal(streams["last"], torch.ones(1, 2, 3))
    assert torch.equal(streams["posteriors"], torch.zeros(1, 2, 4))
