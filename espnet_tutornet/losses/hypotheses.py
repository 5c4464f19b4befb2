"""What a CTC teacher understood: its best token sequences, and how sure it is."""

from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

from espnet_tutornet.losses.masking import make_pad_mask

# Less likely than this in its frame, a token does not grow a prefix. A frame in which
# nothing but blank is likelier is passed over: most frames of a trained teacher are.
LEAST_PROBABILITY = 1e-3
BEAM_PER_BEST = 2  # prefixes kept for each hypothesis wanted


class Hypotheses(NamedTuple):
    """The n best of each utterance.

    Attributes:
        labels: (B, N, L) token ids without blank, 0 where there is none.
        lens: (B, N) tokens of each; 0 for an empty one, and where fewer than N are.
        weights: (B, N) float32 probability, normalised to a sum of 1 over N.
    """

    labels: Tensor
    lens: Tensor
    weights: Tensor


@torch.no_grad()
def greedy_hypotheses(log_probs: Tensor, lens: Tensor, blank_id: int) -> Hypotheses:
    """Collapse the likeliest token of each frame: repeats, then blanks.

    Args:
        log_probs: (B, T, V) natural log; padding may hold anything.
        lens: (B,) valid frames.
        blank_id: index of ``<blank>`` in V.

    Returns:
        One hypothesis for each utterance, of weight 1.

    Example:
        >>> best = torch.tensor([[1, 1, 0, 1, 2]])
        >>> log_probs = torch.nn.functional.one_hot(best).float().log()
        >>> greedy_hypotheses(log_probs, torch.tensor([5]), 0).labels.tolist()
        [[[1, 1, 2]]]
    """
    best = log_probs.argmax(dim=-1)  # (B, T, V) -> (B, T)
    kept = (best != blank_id) & ~make_pad_mask(lens, best.size(1))
    kept[:, 1:] &= best[:, 1:] != best[:, :-1]
    counts = kept.sum(dim=1)
    labels = best.new_zeros(best.size(0), max(int(counts.max()), 1))
    rows, frames = kept.nonzero(as_tuple=True)
    labels[rows, kept.cumsum(dim=1)[rows, frames] - 1] = best[rows, frames]
    weights = torch.ones(best.size(0), 1, device=best.device)
    return Hypotheses(labels.unsqueeze(1), counts.unsqueeze(1), weights)


@torch.no_grad()
def best_hypotheses(
    log_probs: Tensor, lens: Tensor, blank_id: int, nbest: int
) -> Hypotheses:
    """Search the n likeliest token sequences, each summed over its alignments.

    CTC prefix beam search with ``2 nbest`` prefixes. What it leaves out is ours: tokens
    under a probability of 1e-3, hence whole frames where blank has 0.999.

    Args:
        log_probs: (B, T, V) natural log; padding may hold anything.
        lens: (B,) valid frames.
        blank_id: index of ``<blank>`` in V.
        nbest: N.

    Returns:
        The hypotheses, likeliest first.

    Source:
        Prefix search: Graves et al., Connectionist temporal classification, ICML 2006;
        with a beam: Hannun et al., arXiv 1408.2873.

    Example:
        >>> log_probs = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
        >>> found = best_hypotheses(log_probs, torch.tensor([2]), 0, nbest=2)
        >>> found.lens.tolist(), found.weights
        ([[1, 0]], tensor([[0.6400, 0.3600]]))
    """
    width = BEAM_PER_BEST * nbest
    found = []
    for frames in _likely_tokens(log_probs, lens, blank_id, width + 1):
        found.append(_prefix_search(frames, width)[:nbest])
    longest = max((len(labels) for best in found for labels, _ in best), default=0)
    shape = (len(found), nbest)
    labels = torch.zeros(*shape, max(longest, 1), dtype=torch.long)
    counts, weights = torch.zeros(*shape, dtype=torch.long), torch.zeros(*shape)
    for b, best in enumerate(found):
        for n, (tokens, probability) in enumerate(best):
            labels[b, n, : len(tokens)] = torch.tensor(tokens, dtype=torch.long)
            counts[b, n], weights[b, n] = len(tokens), probability
    weights = weights / weights.sum(dim=1, keepdim=True)
    return Hypotheses(*(x.to(log_probs.device) for x in (labels, counts, weights)))


# blank and likely others; None where nothing but blank is likely
Frame = Optional[Tuple[float, List[Tuple[int, float]]]]


def _likely_tokens(
    log_probs: Tensor, lens: Tensor, blank_id: int, count: int
) -> List[List[Frame]]:
    """List the likely tokens of each valid frame of each utterance."""
    top, ids = log_probs.float().topk(min(count, log_probs.size(-1)), dim=-1)
    blanks = log_probs[..., blank_id].float().exp().tolist()
    utterances = []
    for *rows, frames in zip(blanks, top.exp().tolist(), ids.tolist(), lens.tolist()):
        likely: List[Frame] = []
        for blank, probs, tokens in list(zip(*rows))[:frames]:
            others = [
                (token, p)
                for token, p in zip(tokens, probs)
                if token != blank_id and p >= LEAST_PROBABILITY
            ]
            likely.append((blank, others) if others else None)
        utterances.append(likely)
    return utterances


class _Prefixes:
    """Prefixes as numbers: 0 is the empty one, each knows its parent and last token."""

    def __init__(self):
        self.parent, self.last = [0], [-1]
        self.grown: Dict[Tuple[int, int], int] = {}

    def grow(self, prefix: int, token: int) -> int:
        """Return the number of ``prefix`` and ``token`` after it."""
        number = self.grown.setdefault((prefix, token), len(self.last))
        if number == len(self.last):
            self.parent.append(prefix)
            self.last.append(token)
        return number

    def tokens(self, prefix: int) -> List[int]:
        """Spell a prefix out."""
        found = []
        while prefix:
            found.append(self.last[prefix])
            prefix = self.parent[prefix]
        return found[::-1]


def _prefix_search(frames: List[Frame], width: int) -> List[Tuple[List[int], float]]:
    """Return prefixes and probabilities of one utterance, likeliest first."""
    prefixes = _Prefixes()
    beam = {0: (1.0, 0.0)}  # prefix -> probability that ends in blank, in its token
    for frame in frames:
        if frame is None:
            beam = {x: (blank + token, 0.0) for x, (blank, token) in beam.items()}
            continue
        ranked = sorted(_step(prefixes, beam, *frame).items(), key=_total, reverse=True)
        kept = ranked[:width]
        scale = 1.0 / sum(map(_total, kept))  # else a long utterance underflows
        beam = {x: (blank * scale, token * scale) for x, (blank, token) in kept}
    ranked = sorted(beam.items(), key=_total, reverse=True)
    return [(prefixes.tokens(x), blank + token) for x, (blank, token) in ranked]


def _step(
    prefixes: _Prefixes, beam: dict, blank: float, others: List[Tuple[int, float]]
) -> Dict[int, List[float]]:
    """Let every prefix stay or grow by one frame."""
    after: Dict[int, List[float]] = {}
    for prefix, (in_blank, in_token) in beam.items():
        total, last = in_blank + in_token, prefixes.last[prefix]
        stays = after.setdefault(prefix, [0.0, 0.0])
        stays[0] += total * blank
        for token, probability in others:
            if token == last:  # the same token goes on, or comes again after a blank
                stays[1] += in_token * probability
                grows = in_blank * probability
            else:
                grows = total * probability
            if grows:
                longer = after.setdefault(prefixes.grow(prefix, token), [0.0, 0.0])
                longer[1] += grows
    return after


def _total(item) -> float:
    return item[1][0] + item[1][1]
