"""A teacher that listens to a corpus, batch by batch, and what it keeps of it."""

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np
import torch
from espnet2.train.dataset import ESPnetDataset
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_tutornet.cache.forms import learn_codebooks, useful_codes
from espnet_tutornet.cache.manifest import Manifest, Shard, fingerprint
from espnet_tutornet.cache.store import load_codebooks, write_shard
from espnet_tutornet.encoder.frames import TOO_SHORT
from espnet_tutornet.outputs import TeacherOutputs
from espnet_tutornet.teacher.cluster import number_of_worker
from espnet_tutornet.teacher.kinds import check_lengths, identity, padded_to
from espnet_tutornet.teacher.loading import load_config
from espnet_tutornet.teacher.online import OnlineTeacher
from espnet_tutornet.teacher.safe_load import load_parameters

CODEBOOK_FRAMES = 40_000  # enough for 256 centroids a group


@dataclass(frozen=True)
class Source:
    """Whose outputs, of which audio.

    Attributes:
        config: the teacher's config.yaml.
        model: its .pth.
        wav_scp: utterance id and audio file, a line each.
        layers: encoder layers to keep.
        posteriors: keep CTC posteriors too.
        batch_frames: teacher frames of one forward pass, padding included.
        ngpu: GPUs of this machine to spread the workers over; 0 is CPU.
        masked: let no utterance hear the padding of its batch.
    """

    config: str
    model: str
    wav_scp: str
    layers: Tuple[str, ...]
    posteriors: bool
    batch_frames: int
    ngpu: int = 0
    masked: bool = True


def plan_batches(
    utt_ids: Sequence[str], lengths: Mapping[str, int], batch_samples: int
) -> Iterator[List[str]]:
    """Cut utterances into batches of at most ``batch_samples`` with their padding.

    Example:
        >>> list(plan_batches(["a", "b", "c"], {"a": 4, "b": 3, "c": 3}, 8))
        [['a', 'b'], ['c']]
    """
    batch: List[str] = []
    longest = 0
    for utt_id in utt_ids:
        longest = max(longest, lengths[utt_id])
        if batch and longest * (len(batch) + 1) > batch_samples:
            yield batch
            batch, longest = [], lengths[utt_id]
        batch.append(utt_id)
    if batch:
        yield batch


class Listener:
    """A loaded teacher and the audio it is asked about.

    Args:
        source: teacher and audio.
        device: where the teacher runs.
    """

    def __init__(self, source: Source, device: str = "cpu"):
        self.source, self.device = source, device
        self.teacher = OnlineTeacher.from_files(
            source.config,
            source.model,
            layers=source.layers,
            use_posteriors=source.posteriors,
            masked=source.masked,
        )
        self.audio = ESPnetDataset([(source.wav_scp, "speech", "sound")])

    def manifest(self, form: str, codes: int, top_k: int) -> Manifest:
        """Describe the cache that this teacher would fill.

        Args:
            form: of all layers.
            codes: bytes a frame in the form pq, at most; else 0.
            top_k: posteriors to keep.
        """
        teacher = self.teacher
        form_of = {
            name: {
                "form": form,
                "width": width,
                "codes": useful_codes(width, codes) if codes else 0,
            }
            for name, width in teacher.sizes.items()
            if name in self.source.layers
        }
        config = vars(load_config(self.source.config))
        return Manifest(
            fingerprint=fingerprint(
                identity(config), load_parameters(self.source.model), self.source.masked
            ),
            fs=teacher.fs,
            frame_shift=teacher.frame_shift,
            token_list=teacher.token_list,
            blank_id=teacher.blank_id,
            layers=form_of,
            top_k=min(top_k, len(teacher.token_list)) if self.source.posteriors else 0,
            padding=teacher.padding,
            frontend={
                "name": config.get("frontend"),
                **(config.get("frontend_conf") or {}),
            },
        )

    def listen(self, utt_ids: Sequence[str]) -> TeacherOutputs:
        """Ask the teacher about one batch of utterances."""
        speech = [torch.as_tensor(self.audio[i][1]["speech"]) for i in utt_ids]
        return self.teacher(
            {
                "speech": pad_sequence(speech, batch_first=True).to(self.device),
                "speech_lengths": torch.tensor([*map(len, speech)]).to(self.device),
            }
        )

    def outputs(
        self, utt_ids: Sequence[str], lengths: Mapping[str, int]
    ) -> Iterator[Tuple[str, Dict[str, Tensor]]]:
        """Yield utterance id and stream -> (T, D) or (T, V), without padding.

        Raises:
            ValueError: utterances are too short or too long for the teacher; they are
                named.
        """
        limit = int(self.source.batch_frames * self.teacher.frame_shift)
        model, least = self.teacher.model, padded_to(self.teacher.model)
        check_lengths(model, [lengths[utt_id] for utt_id in utt_ids], utt_ids)
        heard = {utt_id: max(lengths[utt_id], least) for utt_id in utt_ids}
        for batch in plan_batches(utt_ids, heard, limit):
            try:
                said = self.listen(batch)
            except Exception as error:
                longest = max(lengths[utt_id] for utt_id in batch)
                # torch's STFT raises nothing of its own
                if longest > self.teacher.frame_shift and (
                    not isinstance(error, TOO_SHORT)
                ):
                    raise
                raise ValueError(
                    f"{' '.join(batch[:5])}{' ...' if len(batch) > 5 else ''}: too "
                    f"short for the teacher, the longest has {longest} samples, and a "
                    f"frame takes {self.teacher.frame_shift:.0f}. Leave such out: "
                    "--min_wav_duration of run.sh (stage 3)."
                ) from error
            streams = dict(said.hidden)
            if said.log_probs is not None:
                streams["posteriors"] = said.log_probs
            for row, (utt_id, frames) in enumerate(zip(batch, said.lens.tolist())):
                yield utt_id, {name: x[row, :frames] for name, x in streams.items()}


def sample_codebooks(
    listener: Listener,
    manifest: Manifest,
    lengths: Mapping[str, int],
    seed: int = 0,
) -> Dict[str, np.ndarray]:
    """Learn codebooks from a random part of the corpus.

    Args:
        listener: teacher and audio.
        manifest: what the cache will keep.
        lengths: utterance id -> audio samples.
        seed: of the choice and the k-means.

    Returns:
        Layer name -> codebooks.
    """
    ids = sorted(lengths)
    random.Random(seed).shuffle(ids)
    chosen, samples = [], 0
    for utt_id in ids:
        if samples > CODEBOOK_FRAMES * listener.teacher.frame_shift:
            break
        chosen.append(utt_id)
        samples += lengths[utt_id]
    chosen.sort(key=lambda i: -lengths[i])
    heard = [streams for _, streams in listener.outputs(chosen, lengths)]
    return {
        layer: learn_codebooks(
            torch.cat([streams[layer] for streams in heard]).cpu().numpy(),
            manifest.layers[layer]["codes"],
            seed,
        )
        for layer in manifest.layers
    }


@lru_cache(maxsize=1)
def _listener(source: Source, device: str) -> Listener:
    return Listener(source, device)


def dump_shard(
    directory: str,
    source: Source,
    manifest: Manifest,
    name: str,
    utt_ids: Sequence[str],
    inputs: str,
    lengths: Mapping[str, int],
) -> Shard:
    """Write one shard; a worker keeps its teacher, and its GPU, between shards.

    Args:
        directory: the cache.
        source: teacher and audio.
        manifest: what the cache keeps.
        name: of the shard.
        utt_ids: its utterances.
        inputs: hash of what it depends on.
        lengths: audio samples of its utterances.
    """
    device = f"cuda:{number_of_worker() % source.ngpu}" if source.ngpu else "cpu"
    listener = _listener(source, device)
    forms = manifest.forms(load_codebooks(directory))
    outputs = listener.outputs(utt_ids, lengths)
    return write_shard(directory, name, forms, outputs, inputs)
