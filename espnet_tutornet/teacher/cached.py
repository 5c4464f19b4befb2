"""A teacher that spoke before: its outputs come from a cache with the batch."""

from typing import Callable, Iterable, Mapping, Optional

import torch
from torch import Tensor

from espnet_tutornet.cache.forms import unpack
from espnet_tutornet.cache.manifest import Manifest
from espnet_tutornet.outputs import TeacherOutputs


class CachedTeacher:
    """Unpack the stream of teacher outputs that ESPnet's loader brought.

    Args:
        manifest: of the cache.
        codebooks: layer name -> codebooks, of layers in the form pq.
        stream: its name in the batch.
        layers: encoder layers to report.
        use_posteriors: also report the CTC posteriors.
        substitute: an online teacher for utterances that the cache lacks, or None.

    Raises:
        ValueError: the cache lacks a layer or the posteriors.
    """

    def __init__(
        self,
        manifest: Manifest,
        codebooks: Mapping,
        stream: str = "teacher",
        layers: Iterable[str] = ("last",),
        use_posteriors: bool = True,
        substitute: Optional[Callable] = None,
    ):
        self.stream = stream
        self.layers, self.use_posteriors = tuple(layers), use_posteriors
        missing = [name for name in self.layers if name not in manifest.layers]
        missing += ["posteriors"] * (use_posteriors and not manifest.top_k)
        if missing:
            kept = [*manifest.layers, *(["posteriors"] if manifest.top_k else [])]
            raise ValueError(
                f"the cache of teacher outputs has no {missing}, only {kept}. Dump "
                "them too (run.sh --teacher_layers, stage 8), or change the terms."
            )
        self.forms = manifest.forms(codebooks)
        self.sizes = {name: manifest.layers[name]["width"] for name in self.layers}
        self.frame_shift, self.fs = manifest.frame_shift, manifest.fs
        self.token_list, self.blank_id = manifest.token_list, manifest.blank_id
        self.substitute = substitute

    @torch.no_grad()
    def __call__(self, batch: Mapping[str, Tensor]) -> TeacherOutputs:
        """Unpack what the batch brought.

        Args:
            batch: the stream (B, T, C) and its ``_lengths`` (B,); for the substitute
                also ``speech`` (B, S) and ``speech_lengths`` (B,).

        Raises:
            ValueError: the batch has no such stream.
            RuntimeError: an utterance is not in the cache and nobody stands in.
        """
        if self.stream not in batch:
            raise ValueError(
                f"the batch has no stream {self.stream!r}, only {sorted(batch)}: add "
                "the cache to the data (TutorNetTask does)."
            )
        matrix, lens = batch[self.stream], batch[f"{self.stream}_lengths"]
        streams = unpack(matrix, self.forms)
        outputs = TeacherOutputs(
            lens,
            {name: streams[name] for name in self.layers},
            streams["posteriors"] if self.use_posteriors else None,
            self.frame_shift,
        )
        absent = lens == 0
        if bool(absent.any()):
            outputs = self._fill(outputs, batch, absent)
        return outputs

    def _fill(
        self, outputs: TeacherOutputs, batch: Mapping[str, Tensor], absent: Tensor
    ) -> TeacherOutputs:
        if self.substitute is None:
            raise RuntimeError(
                f"{int(absent.sum())} utterances of a batch are not in the cache. Dump "
                "them (run.sh, stage 8), or set teacher: missing to skip or online."
            )
        asked = {name: batch[name][absent] for name in ("speech", "speech_lengths")}
        fresh = self.substitute(asked)
        frames = max(int(outputs.lens.max()), int(fresh.lens.max()))
        lens = outputs.lens.clone()
        lens[absent] = fresh.lens.to(lens.dtype)

        def merge(mine: Tensor, theirs: Tensor) -> Tensor:
            # (B, T, D); padding frames carry nothing that is read
            merged = mine.new_zeros(mine.size(0), frames, mine.size(2))
            merged[:, : mine.size(1)] = mine[:, :frames]
            width = min(frames, theirs.size(1))
            merged[absent, :width] = theirs[:, :width].to(merged.dtype)
            return merged

        hidden = {
            name: merge(x, fresh.hidden[name]) for name, x in outputs.hidden.items()
        }
        log_probs = outputs.log_probs
        if log_probs is not None:
            log_probs = merge(log_probs, fresh.log_probs)
        return TeacherOutputs(lens, hidden, log_probs, self.frame_shift)
