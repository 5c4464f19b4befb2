"""What a cache of teacher outputs holds, and whose they are."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Union

import torch

from espnet_tutornet.cache.forms import VALUE_BYTES, PosteriorForm, build_hidden_form
from espnet_tutornet.layers.independence import MASKED
from espnet_tutornet.utils.files import atomic_write
from espnet_tutornet.utils.reading import need_file

FORMAT = 3
FILE = "manifest.json"
# Blocks of a config.yaml that decide what a model says of an utterance.
MODEL_BLOCKS = ("frontend", "normalize", "preencoder", "encoder", "postencoder")


@dataclass(frozen=True)
class Shard:
    """One part of a cache, written by one worker in one go.

    Attributes:
        name: its directory under ``shards/``.
        inputs: hash of what it was made from; another one means: make it again.
        utterances: how many it holds.
        frames: teacher frames in all of them.
        checksums: file name -> SHA-256.
        sizes: file name -> bytes.
    """

    name: str
    inputs: str
    utterances: int
    frames: int
    checksums: Mapping[str, str]
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class Manifest:
    """Everything a reader must know before it trusts a cache.

    Attributes:
        fingerprint: of the teacher, see :func:`fingerprint`.
        fs: sampling rate in Hz, or None where the teacher does not name one.
        frame_shift: audio samples from one teacher frame to the next.
        token_list: the teacher's.
        blank_id: index of ``<blank>`` in it.
        layers: layer name -> ``form``, ``width`` and, in pq, ``codes`` a frame.
        top_k: posteriors kept a frame; 0: none were kept.
        padding: how the teacher was asked, see :class:`OnlineTeacher`.
        request: hash of the command and the files that the dump was made from.
        shards: empty until the dump is complete.
        frontend: name and arguments of the teacher's, for who reads the file; what is
            compared is the fingerprint, which they are part of.
        format: version of this layout.
    """

    fingerprint: str
    fs: Optional[int]
    frame_shift: float
    token_list: List[str]
    blank_id: int
    layers: Mapping[str, Mapping[str, Any]]
    top_k: int
    padding: str = MASKED
    request: str = ""
    shards: List[Shard] = field(default_factory=list)
    frontend: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def utterances(self) -> int:
        """Number of utterances in all shards."""
        return sum(shard.utterances for shard in self.shards)

    @property
    def frames(self) -> int:
        """Number of teacher frames in all shards."""
        return sum(shard.frames for shard in self.shards)

    @property
    def bytes_per_frame(self) -> int:
        """Bytes of one teacher frame, headers aside."""
        size = sum(
            layer["codes"] or VALUE_BYTES[layer["form"]] * layer["width"]
            for layer in self.layers.values()
        )
        posteriors = self._posterior_form()
        return size + (posteriors.bytes_per_frame if posteriors else 0)

    def forms(self, codebooks: Mapping[str, Any]) -> Dict[str, Any]:
        """Build the forms, layers first and ``posteriors`` last.

        Args:
            codebooks: layer name -> codebooks, of the layers in ``pq``.
        """
        forms = {
            name: build_hidden_form(layer["form"], layer["width"], codebooks.get(name))
            for name, layer in self.layers.items()
        }
        posteriors = self._posterior_form()
        if posteriors:
            forms["posteriors"] = posteriors
        return forms

    def _posterior_form(self) -> Optional[PosteriorForm]:
        if not self.top_k:
            return None
        return PosteriorForm(len(self.token_list), self.top_k, self.blank_id)

    def plan(self) -> "Manifest":
        """Return what is kept, without what was written: equal for equal contents."""
        return replace(self, shards=[], request="")

    def write(self, directory: Union[str, Path]) -> None:
        """Write ``manifest.json`` into ``directory``."""
        with atomic_write(Path(directory) / FILE) as f:
            json.dump(asdict(self), f, indent=1)


def read_manifest(directory: Union[str, Path]) -> Manifest:
    """Read the manifest of a complete cache.

    Raises:
        FileNotFoundError: there is none: the dump never ended.
        ValueError: it is damaged, or of another version of this layout.
    """
    expected = "a complete cache of teacher outputs"
    hint = "Run the dump (run.sh, stage 8) to its end."
    path = need_file(Path(directory) / FILE, expected, hint)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content["format"]
        if found == FORMAT:
            shards = [Shard(**shard) for shard in content.pop("shards")]
            return Manifest(shards=shards, **content)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not a manifest ({error}). Remove the cache and dump it again "
            "(run.sh, stage 8)."
        ) from None
    raise ValueError(
        f"{path}: expected format {FORMAT}, got {found!r}: written by another release. "
        "Remove the cache and dump it again (run.sh, stage 8)."
    )


def fingerprint(
    config: Mapping[str, Any],
    state_dict: Mapping[str, torch.Tensor],
    masked: bool = True,
) -> str:
    """Hash what decides a teacher's outputs: parameters, structure, way of asking.

    The same parameters saved again, in another file or by another release, keep their
    fingerprint.

    Args:
        config: the content of its config.yaml.
        state_dict: its parameters.
        masked: whether no utterance hears the padding of its batch.

    Returns:
        64 hexadecimal digits.
    """
    sha = hashlib.sha256(b"masked" if masked else b"stock")
    for name in sorted(state_dict):
        value = state_dict[name].detach().cpu().contiguous()
        if value.is_floating_point():
            value = value.float()  # ESPnet 202611 holds some buffers in float64
        sha.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        sha.update(value.flatten().view(torch.uint8).numpy().tobytes())
    for block in MODEL_BLOCKS:
        conf = dict(config.get(f"{block}_conf") or {})
        conf.pop("stats_file", None)  # its content is among the parameters' buffers
        sha.update(
            json.dumps([block, config.get(block), conf], sort_keys=True).encode()
        )
    return sha.hexdigest()
