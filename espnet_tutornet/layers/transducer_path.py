"""The best path through a transducer's lattice, and on another network's frames.

A node (t, u) of the lattice is the frame t after u labels. A blank leads to (t + 1, u),
the next label to (t, u + 1). A path of an utterance has T + U nodes, of which the last
is left by a blank.
"""

from typing import Mapping, Tuple

import torch
from torch import Tensor

from espnet_tutornet.losses.masking import make_pad_mask

TINY = 1e-30  # a probability whose logarithm is finite
NODES = 2**24  # logits of the joint network at a time: 64 MiB


def has_lattice(model: torch.nn.Module) -> bool:
    """Tell whether a model is a transducer whose blanks are of one frame."""
    if getattr(model, "joint_network", None) is None:
        return False
    return not getattr(model, "transducer_multi_blank_durations", None)


@torch.no_grad()
def read_path(
    model: torch.nn.Module,
    encoder_out: Tensor,
    lens: Tensor,
    batch: Mapping[str, Tensor],
) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    """Align the transcripts by a transducer, and tell what it says on the way.

    Args:
        model: of ESPnet, with a prediction and a joint network.
        encoder_out: (B, T, D).
        lens: (B,) valid frames.
        batch: ``text`` (B, L), padded with anything, and ``text_lengths`` (B,).

    Returns:
        Frame and labels before each node, (B, N) each; (B, N, 2) probabilities of blank
        and of the next label, 0 behind the last; the number of nodes (B,).
    """
    lengths = batch["text_lengths"]
    text = batch["text"][:, : int(lengths.max())]
    text = text.masked_fill(make_pad_mask(lengths, text.size(1)), model.blank_id)
    silence = text.new_full((len(text), 1), model.blank_id)
    model.decoder.set_device(encoder_out.device)
    decoder_out = model.decoder(torch.cat([silence, text], dim=1)).unsqueeze(1)
    # (B, 1, L + 1, 1): the next token of each node; behind the last there is none
    following = torch.cat([text, silence], dim=1)[:, None, :, None]
    nodes = len(text) * following.size(2) * len(model.token_list)
    parts = []
    for frames in encoder_out.split(max(1, NODES // nodes), dim=1):
        joint = model.joint_network(frames.unsqueeze(2), decoder_out)
        joint = joint.float().log_softmax(dim=-1)  # (B, t, L + 1, V)
        label = joint.gather(-1, following.expand(-1, joint.size(1), -1, -1))
        parts.append(torch.cat([joint[..., model.blank_id, None], label], dim=-1))
    said = torch.cat(parts, dim=1)  # (B, T, L + 1, 2)
    frames, labels, node_lens = find_lattice_path(*said.unbind(-1), lens, lengths)
    probs = take_nodes(said, frames, labels).exp()
    last = labels == lengths.unsqueeze(1)
    probs[..., 1] = probs[..., 1].masked_fill(last, 0.0)
    return frames, labels, probs, node_lens


@torch.no_grad()
def find_lattice_path(
    blank: Tensor, label: Tensor, lens: Tensor, label_lens: Tensor
) -> Tuple[Tensor, Tensor, Tensor]:
    """Find the likeliest path of each utterance that spells its labels.

    Args:
        blank: (B, T, U + 1) natural log of the probability of blank at each node.
        label: (B, T, U + 1) of the next label; what is behind the last is not read.
        lens: (B,) valid frames, 1 or more.
        label_lens: (B,) valid labels.

    Returns:
        Frame and number of labels of each node, (B, N) each, in order; and the number
        of nodes (B,). Padding is zero.

    Example:
        >>> blank = torch.tensor([[[0.9, 0.5], [0.2, 0.5]]]).log()
        >>> label = torch.tensor([[[0.1, 0.0], [0.8, 0.0]]]).log()
        >>> frames, labels, _ = find_lattice_path(
        ...     blank, label, torch.tensor([2]), torch.tensor([1])
        ... )
        >>> list(zip(frames[0].tolist(), labels[0].tolist()))
        [(0, 0), (1, 0), (1, 1)]
    """
    blank, label = blank.double(), label.double().clamp_min(-1e6)
    zero = label.new_zeros(len(label), label.size(1), 1)
    # what the labels before u cost in frame t: (B, T, U + 1)
    spelled = torch.cat([zero, label[..., :-1].cumsum(-1)], dim=-1)
    first = spelled[:, 0]
    scores = [first]
    for t in range(1, blank.size(1)):
        entered = scores[-1] + blank[:, t - 1] - spelled[:, t]
        scores.append(entered.cummax(dim=-1).values + spelled[:, t])
    score = torch.stack(scores, dim=1)  # (B, T, U + 1)
    return _trace_back(score, blank, label, lens, label_lens)


def _trace_back(
    score: Tensor, blank: Tensor, label: Tensor, lens: Tensor, label_lens: Tensor
) -> Tuple[Tensor, Tensor, Tensor]:
    score, blank, label = (x.cpu() for x in (score, blank, label))
    t, u = (lens - 1).cpu(), label_lens.cpu().clone()
    node_lens = t + u + 1
    rows = torch.arange(len(t))
    frames = torch.zeros(len(t), int(node_lens.max()), dtype=torch.long)
    labels = torch.zeros_like(frames)
    for step in range(frames.size(1)):
        place = node_lens - 1 - step
        open_ = place >= 0
        frames[rows[open_], place[open_]] = t[open_]
        labels[rows[open_], place[open_]] = u[open_]
        by_label = score[rows, t, (u - 1).clamp_min(0)]
        by_label = by_label + label[rows, t, (u - 1).clamp_min(0)]
        by_blank = score[rows, (t - 1).clamp_min(0), u]
        by_blank = by_blank + blank[rows, (t - 1).clamp_min(0), u]
        came_by_label = (u > 0) & ((t == 0) | (by_label >= by_blank))
        u = u - came_by_label.long()
        t = (t - (~came_by_label).long()).clamp_min(0)
    device = lens.device
    return frames.to(device), labels.to(device), node_lens.to(device)


def align_path(
    frames: Tensor,
    labels: Tensor,
    probs: Tensor,
    node_lens: Tensor,
    ratio: float,
    student_lens: Tensor,
    delay: int = 0,
) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    """Move a teacher's path to the frames of a student.

    Several nodes that come to lie on one, as where the student is slower, become one:
    it is left by a blank if each of them is, and by the label if one of them is, all
    before it by a blank (ours). Frames past the student's end become its last one.

    Args:
        frames: (B, N) teacher frame of each node.
        labels: (B, N) labels before it.
        probs: (B, N, 2) of blank and of the next label.
        node_lens: (B,) valid nodes.
        ratio: teacher frames a student frame.
        student_lens: (B,) valid student frames, 1 or more.
        delay: student frames by which the student is later.

    Returns:
        The same four, of the student's nodes; N is as large as the longest path.

    Example:
        >>> path = align_path(
        ...     frames=torch.tensor([[0, 1]]),
        ...     labels=torch.tensor([[0, 0]]),
        ...     probs=torch.tensor([[[0.5, 0.25], [0.8, 0.2]]]),
        ...     node_lens=torch.tensor([2]),
        ...     ratio=2.0,
        ...     student_lens=torch.tensor([1]),
        ... )
        >>> [round(p, 3) for p in path[2][0, 0].tolist()]
        [0.4, 0.35]
    """
    padding = make_pad_mask(node_lens, frames.size(1))
    moved = ((frames.double() + 0.5) / ratio).floor().long() + delay
    moved = torch.minimum(moved, student_lens.unsqueeze(1) - 1)
    moved, labels = (x.masked_fill(padding, -1) for x in (moved, labels))
    new = torch.ones_like(padding)
    new[:, 1:] = (moved[:, 1:] != moved[:, :-1]) | (labels[:, 1:] != labels[:, :-1])
    group = new.long().cumsum(1) - 1  # (B, N); padding is the last group of its row
    groups = (new & ~padding).sum(dim=1)

    blank = probs[..., 0].double().clamp_min(TINY).log().masked_fill(padding, 0.0)
    before = blank.cumsum(1) - blank  # log of all blanks since the path began
    start = torch.zeros_like(before).scatter_reduce(
        1, group, before, "amax", include_self=False
    )  # blanks only lower it: the highest is that of the group's first node
    reached = (before - start.gather(1, group)).exp()
    said = (probs[..., 1].double() * reached).masked_fill(padding, 0.0)
    empty = torch.zeros_like(said)
    merged = [
        empty.scatter_add(1, group, blank).exp(),
        empty.scatter_add(1, group, said),
    ]
    size = int(groups.max())
    where = torch.zeros_like(group)
    moved, labels = (where.scatter(1, group, x)[:, :size] for x in (moved, labels))
    probs = torch.stack(merged, dim=-1)[:, :size].to(probs.dtype)
    return moved.clamp_min(0), labels.clamp_min(0), probs, groups


def take_nodes(lattice: Tensor, frames: Tensor, labels: Tensor) -> Tensor:
    """Take nodes of a lattice: (B, T, U + 1, V) by (B, N) and (B, N) -> (B, N, V)."""
    index = frames * lattice.size(2) + labels
    flat = lattice.flatten(1, 2)  # (B, T, U + 1, V) -> (B, T (U + 1), V)
    return flat.gather(1, index.unsqueeze(-1).expand(-1, -1, lattice.size(-1)))
