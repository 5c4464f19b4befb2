"""Every kind of teacher that people publish: brought, asked, and kept.

Each says what ESPnet's own model says of an utterance, online and from a cache.
"""

import numpy as np
import pytest
import soundfile
import torch
from published import KINDS, OWSM_TOKENS, WITHOUT_CTC, is_missing, publish

from espnet_tutornet.layers.taps import first_tensor
from espnet_tutornet.teacher.bring import bring_teacher
from espnet_tutornet.teacher.listen import Listener, Source
from espnet_tutornet.utils.espnet_task import has_ctc_branch

LENGTHS = [40_000, 31_111]
PADDING = {  # how they are asked: whom padding reaches, without it
    **dict.fromkeys(("streaming", "whisper", "whisper_front", "wavlm"), "unpadded"),
    **dict.fromkeys(("hybrid", "owsm", "owsm_ctc", "whisper_30_s"), "masked"),
}


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """Return wav.scp of two utterances, and their samples."""
    root, rng = tmp_path_factory.mktemp("audio"), np.random.default_rng(0)
    waves = []
    with (root / "wav.scp").open("w") as f:
        for index, samples in enumerate(LENGTHS):
            wave = rng.uniform(-0.1, 0.1, samples).astype("float32")
            # ESPnet's STFT mirrors the end of what is longest in a batch
            wave[-2048:] = 0.0
            soundfile.write(root / f"{index}.wav", wave, 16000, subtype="FLOAT")
            print(f"u{index}", root / f"{index}.wav", file=f)
            waves.append(torch.from_numpy(wave))
    return root / "wav.scp", waves


@pytest.fixture
def brought(request, tmp_path, monkeypatch):
    """Return the kind, ESPnet's own model, and the two files that were brought."""
    kind = request.param
    if is_missing(kind):
        pytest.skip("its package is not installed")
    (tmp_path / "theirs").mkdir()
    archive, model = publish(kind, tmp_path / "theirs", monkeypatch)
    monkeypatch.chdir(tmp_path)  # nothing is found by a relative path
    added = dict(lang="eng", task="asr") if kind == "owsm_ctc" else {}
    return kind, model, bring_teacher(str(archive), tmp_path / "teacher", added=added)


def ask_espnet(kind, model, wave):
    """Encode one utterance as ESPnet does: (T, D)."""
    lengths, prompt = torch.tensor([len(wave)]), ()
    if kind.startswith("owsm"):
        wave = torch.nn.functional.pad(wave, (0, 480_000 - len(wave)))
        lengths = torch.tensor([480_000])
    if kind == "owsm_ctc":
        tokens = [OWSM_TOKENS.index(t) for t in ("<na>", "<eng>", "<asr>")]
        one, two = torch.tensor([1]), torch.tensor([2])
        prompt = (torch.tensor([tokens[:1]]), one, torch.tensor([tokens[1:]]), two)
    with torch.no_grad():
        encoded, _ = model.encode(wave[None], lengths, *prompt)
        hidden = first_tensor(encoded)[:, 2 if prompt else 0 :]
        if kind == "asr_transducer_ctc":
            return hidden[0], model.ctc_lin(hidden)[0].log_softmax(-1)
        has_ctc = kind not in WITHOUT_CTC
        return hidden[0], model.ctc.log_softmax(hidden)[0] if has_ctc else None


@pytest.mark.parametrize("brought", KINDS, indirect=True)
def test_a_published_teacher_says_what_espnet_says(brought, audio, monkeypatch):
    kind, model, files = brought
    scp, waves = audio
    has_ctc = kind not in WITHOUT_CTC
    names = [str(path) for path in files]
    listener = Listener(Source(*names, str(scp), ("last",), has_ctc, 3000))
    assert has_ctc_branch(vars_of(files[0])) == has_ctc
    assert listener.teacher.fs == 16000
    before = torch.random.get_rng_state()
    lengths = {f"u{i}": samples for i, samples in enumerate(LENGTHS)}
    heard = dict(listener.outputs(list(lengths), lengths))
    assert torch.equal(torch.random.get_rng_state(), before), "none are drawn"
    manifest = listener.manifest("two_byte", 0, top_k=50)
    if has_ctc:
        assert manifest.top_k == len(manifest.token_list)
    if kind in PADDING:
        assert listener.teacher.padding == PADDING[kind]
    if "owsm" in kind or "whisper" in kind:
        with pytest.raises(ValueError, match="^v: too long for the teacher, 480001"):
            list(listener.outputs(["v"], {"v": 480_001}))
    for index, wave in enumerate(waves):
        hidden, log_probs = ask_espnet(kind, model, wave)
        found = heard[f"u{index}"]
        frames = len(found["last"])
        assert frames == expected_frames(kind, len(hidden), len(wave))
        assert torch.allclose(found["last"], hidden[:frames], atol=1e-3)
        if has_ctc:
            width = log_probs.size(-1)
            assert width == len(manifest.token_list)
            posteriors = found["posteriors"].exp()
            assert torch.allclose(posteriors, log_probs[:frames].exp(), atol=1e-3)


def vars_of(config):
    from espnet_tutornet.teacher.loading import load_config

    return vars(load_config(config))


def expected_frames(kind, frames, samples):
    """Return how many frames are audio; those of ESPnet may be silence behind it."""
    if kind == "owsm":
        return samples // 640
    if kind == "owsm_ctc":
        return samples // 1280
    return samples // 320 if kind == "whisper_30_s" else frames
