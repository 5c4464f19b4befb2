"""Forms in which a cache keeps teacher outputs: what a frame costs and what it loses.

A form turns what a teacher says of one utterance into a matrix of float32 values that a
Kaldi archive keeps at one or two bytes each, and back, a padded batch at a time.
"""

from functools import partial
from typing import Dict, Iterable, Mapping, Optional, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from espnet_tutornet.cache import ark
from espnet_tutornet.utils.config import choose

STEPS = 32767  # of a probability in two bytes
IDS = 65536  # that two bytes can name; above STEPS + 1 of them begin at -32768
LEAST_PROBABILITY = 1e-8  # below: the logarithm of what was rounded to nothing
CENTROIDS = 256  # a code is one byte
ENCODED_AT_ONCE = 64  # frames whose distances to all centroids stay in a CPU's cache


class PlainForm:
    """Every value of a hidden state in one or two bytes, between the extremes.

    Two bytes keep a layer-normalised state to within 1e-4, finer than float16 and as
    large; Kaldi has no float16.

    Args:
        width: D.
        value_bytes: 1 or 2.
    """

    def __init__(self, width: int, value_bytes: int):
        self.columns = self.width = width
        self.bytes_per_frame = width * value_bytes
        self.method = ark.ONE_BYTE_AUTO if value_bytes == 1 else ark.TWO_BYTE_AUTO

    def encode(self, hidden: Tensor) -> np.ndarray:
        """Turn (T, D) into the matrix to keep."""
        return hidden.cpu().float().numpy()

    def decode(self, matrix: Tensor) -> Tensor:
        """Turn (B, T, D) as read into hidden states."""
        return matrix


class ProductQuantisedForm:
    """A hidden state as one code a group of its values.

    The D values are cut into M groups of neighbours; each group is replaced by the
    nearest of 256 centroids of its own codebook: M bytes a frame.

    Args:
        codebooks: (M, 256, G) centroids; the last group is filled up with zeros.
        width: D, at most M * G.

    Raises:
        ValueError: codebooks of another shape.

    Source:
        Jegou, Douze, Schmid, Product quantization for nearest neighbor search, 2011.
        For distillation: the codebook indexes of icefall's MVQ-KD are a relative.
    """

    method = ark.ONE_BYTE_INTEGER

    def __init__(self, codebooks: np.ndarray, width: int):
        shape = np.shape(codebooks)
        if len(shape) != 3 or shape[1] != CENTROIDS or shape[0] * shape[2] < width:
            raise ValueError(
                f"codebooks must be (M, {CENTROIDS}, G) with M * G >= {width}, got "
                f"{shape}. Dump the teacher's outputs again."
            )
        self.codebooks = torch.as_tensor(codebooks, dtype=torch.float32)
        self.norms = self.codebooks.pow(2).sum(-1).unsqueeze(1)  # (M, 1, 256)
        self.width = width
        self.columns = self.bytes_per_frame = shape[0]

    def encode(self, hidden: Tensor) -> np.ndarray:
        """Turn (T, D) into codes (T, M)."""
        norms = self.norms.to(hidden.device)
        books = self.codebooks.to(hidden.device).transpose(1, 2)
        groups = split_groups(hidden.float(), self.columns).transpose(0, 1)  # (M, T, G)
        # |g - c|^2 less |g|^2, which is the same for all centroids
        codes = [
            _argmin(torch.baddbmm(norms, some, books, alpha=-2.0))
            for some in groups.split(ENCODED_AT_ONCE, dim=1)
        ]
        return np.concatenate(codes, axis=1).T.astype(np.float32)

    def decode(self, matrix: Tensor) -> Tensor:
        """Turn codes (B, T, M) into hidden states (B, T, D)."""
        if self.codebooks.device != matrix.device:
            self.codebooks = self.codebooks.to(matrix.device)
        book = torch.arange(self.columns, device=matrix.device)
        return self.codebooks[book, matrix.long()].flatten(2)[..., : self.width]


class PosteriorForm:
    """CTC posteriors: blank and the k - 1 likeliest other tokens of each frame.

    Kept are k probabilities and the k - 1 ids that are not blank's, two bytes each; the
    mass of all other tokens is what is missing to one, and is spread evenly over them
    when read. With k = V there are no ids.

    Args:
        vocab_size: V.
        top_k: k; more than V means V.
        blank_id: index of ``<blank>`` in V.

    Raises:
        ValueError: ``top_k`` below 2, or more tokens than two bytes can name.
    """

    method = ark.TWO_BYTE_INTEGER

    def __init__(self, vocab_size: int, top_k: int, blank_id: int = 0):
        if top_k < 2:
            raise ValueError(f"top_k must be at least 2 (blank and one), got {top_k}.")
        self.vocab_size, self.top_k = vocab_size, min(top_k, vocab_size)
        self.blank_id = blank_id
        self.keeps_all = self.top_k == vocab_size
        if not self.keeps_all and vocab_size > IDS:
            raise ValueError(
                f"cannot name {vocab_size} tokens in two bytes, at most {IDS}. "
                "Choose a teacher with fewer tokens."
            )
        self.first_id = -IDS // 2 if vocab_size > STEPS + 1 else 0
        self.columns = self.top_k + (0 if self.keeps_all else self.top_k - 1)
        self.bytes_per_frame = 2 * self.columns

    def encode(self, log_probs: Tensor) -> np.ndarray:
        """Turn (T, V) natural log into the matrix to keep."""
        log_probs = log_probs.float()
        if self.keeps_all:
            return (log_probs.exp() * STEPS).round().cpu().numpy()
        ranked = log_probs.clone()
        ranked[:, self.blank_id] = torch.inf  # the first of the k
        ids = ranked.topk(self.top_k).indices
        kept = (log_probs.gather(1, ids).exp() * STEPS).round()
        named = (ids[:, 1:] + self.first_id).float()
        return torch.cat([named, kept], dim=1).cpu().numpy()

    def decode(self, matrix: Tensor) -> Tensor:
        """Turn what was kept, (B, T, C), into log probabilities (B, T, V)."""
        if self.keeps_all:
            return _log(matrix / STEPS)
        ids, probs, share = self.read(matrix)
        # a copy: the expanded tensor shares its memory along V
        return (
            _log(share)
            .expand(*ids.shape[:2], self.vocab_size)
            .scatter(-1, ids, _log(probs))
        )

    def read(self, matrix: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
        """Read what was kept of k < V tokens, (B, T, C).

        Returns:
            Their ids (B, T, k), blank first; their probabilities (B, T, k); that of
            each other token (B, T, 1).
        """
        ids, probs = matrix.split([self.top_k - 1, self.top_k], dim=-1)
        ids = ids.long() - self.first_id  # of padding, 0: a token, too
        ids = functional.pad(ids, (1, 0), value=self.blank_id)
        probs = probs / STEPS
        rest = (1.0 - probs.sum(-1, keepdim=True)).clamp_min(0.0)
        return ids, probs, rest / (self.vocab_size - self.top_k)


VALUE_BYTES = {"two_byte": 2, "one_byte": 1}  # of the plain forms


def build_hidden_form(name: str, width: int, codebooks: Optional[np.ndarray] = None):
    """Build the form ``name`` for hidden states of ``width`` values.

    Args:
        name: ``two_byte``, ``one_byte`` or ``pq``.
        width: D.
        codebooks: of ``pq``, see :func:`learn_codebooks`.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> build_hidden_form("two_byte", 256).bytes_per_frame
        512
    """
    forms = {
        **{
            plain: partial(PlainForm, width, size)
            for plain, size in VALUE_BYTES.items()
        },
        "pq": partial(ProductQuantisedForm, codebooks, width),
    }
    return choose("hidden form", forms, name)()


def learn_codebooks(frames: np.ndarray, num_codes: int, seed: int = 0) -> np.ndarray:
    """Learn the codebooks of :class:`ProductQuantisedForm` by k-means.

    Args:
        frames: (N, D) hidden states; 256 of them are the least, 10 thousand enough.
        num_codes: bytes a frame, at most D.
        seed: of the k-means.

    Returns:
        (M, 256, G) float32, M as :func:`useful_codes` says.

    Raises:
        ValueError: too few frames, or more codes than values.
    """
    from sklearn.cluster import MiniBatchKMeans

    if len(frames) < CENTROIDS or not 1 <= num_codes <= frames.shape[1]:
        raise ValueError(
            f"codebooks need at least {CENTROIDS} frames and 1 to D codes, got "
            f"{len(frames)} frames, D = {frames.shape[1]} and {num_codes} codes. "
            "Choose another form (--hidden_form two_byte)."
        )
    num_codes = useful_codes(frames.shape[1], num_codes)
    groups = split_groups(torch.as_tensor(frames), num_codes).numpy()
    means = MiniBatchKMeans(CENTROIDS, batch_size=4096, n_init=1, random_state=seed)
    books = [means.fit(groups[:, m]).cluster_centers_ for m in range(num_codes)]
    return np.stack(books).astype(np.float32)


def useful_codes(width: int, num_codes: int) -> int:
    """Return how many of ``num_codes`` groups of one size hold values.

    Args:
        width: D.
        num_codes: bytes a frame, at most; more than D means D.

    Example:
        >>> useful_codes(48, 32)  # groups of two
        24
    """
    return -(-width // _group_size(width, num_codes))


def split_groups(frames: Tensor, num_codes: int) -> Tensor:
    """Cut (T, D) into (T, M, G), filled up with zeros where M does not divide D."""
    size = _group_size(frames.size(1), num_codes)
    padding = size * num_codes - frames.size(1)
    padded = functional.pad(frames, (0, padding))
    return padded.reshape(len(frames), num_codes, size)


def _group_size(width: int, num_codes: int) -> int:
    return -(-width // min(num_codes, width))


def _argmin(distance: Tensor) -> np.ndarray:
    """Return the index of the least along the last axis; NumPy's is fast on CPUs."""
    if distance.device.type == "cpu":
        return distance.numpy().argmin(-1)
    return distance.argmin(-1).cpu().numpy()


def unpack(matrix: Tensor, forms: Mapping[str, object]) -> Dict[str, Tensor]:
    """Cut (B, T, C) at the columns of ``forms``, in their order, and decode each."""
    parts = matrix.split([form.columns for form in forms.values()], dim=-1)
    return {name: form.decode(x) for (name, form), x in zip(forms.items(), parts)}


def total_columns(forms: Iterable) -> int:
    """Return the width of a matrix that holds all ``forms`` side by side."""
    return sum(form.columns for form in forms)


def _log(probs: Tensor) -> Tensor:
    return probs.clamp_min(LEAST_PROBABILITY).log()
