"""Let a student begin as chosen blocks of a teacher of the same width."""

import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from espnet_tutornet.data.tokens import read_tokens
from espnet_tutornet.student.untrained import build_untrained, quietly
from espnet_tutornet.teacher.loading import load_model
from espnet_tutornet.utils.config import check_keys
from espnet_tutornet.utils.files import atomic_write
from espnet_tutornet.utils.reading import read_yaml

KEYS = ("copy_layers",)  # of the overlay of a form
BLOCK = re.compile(r"(encoder\.encoders|decoder\.decoders)\.(\d+)\.(.*)")
NEEDED = ("frontend.", "encoder.")  # what has to fit; of the rest is taken what fits
NORMALIZE = "normalize."  # the blocks are used to features that are normalised by it
# a row a token
ROWS = ("ctc.ctc_lo.", "decoder.embed.0.", "decoder.embed.weight")
ROWS += ("decoder.output_layer.", "joint_network.lin_out.")
SHOWN = 4  # parameters named in one message


class Start(NamedTuple):
    """What a student begins as.

    Attributes:
        parameters: by the student's names.
        layers: the teacher's block that each block of its encoder begins as.
        left: its parameters that stay random.
        tokens: how many of its tokens the teacher has.
    """

    parameters: Dict[str, Tensor]
    layers: List[int]
    left: List[str]
    tokens: int


def choose_layers(
    count: int, of: int, wanted: Optional[Sequence[int]] = None
) -> List[int]:
    """Choose the teacher's blocks: evenly spaced, the first and the last among them.

    Args:
        count: blocks of the student.
        of: blocks of the teacher.
        wanted: choose these instead, counted from 0.

    Raises:
        ValueError: ``wanted`` are not ``count`` numbers of blocks, or the student has
            more blocks than the teacher.

    Source:
        Even spacing: distil-whisper, Gandhi et al., arXiv 2311.00430.

    Example:
        >>> choose_layers(2, 12), choose_layers(3, 12), choose_layers(1, 12)
        ([0, 11], [0, 6, 11], [0])
    """
    if wanted is not None:
        fits = len(wanted) == count and all(
            type(n) is int and 0 <= n < of for n in wanted
        )
        if not fits:
            raise ValueError(
                f"copy_layers must be {count} numbers from 0 to {of - 1}, one for each "
                f"block of the student, got {list(wanted)}."
            )
        return list(wanted)
    if count > of:
        raise ValueError(
            f"the student has {count} blocks, its teacher {of}: it cannot begin as "
            "evenly spaced ones. Choose some twice (copy_layers), or fewer blocks."
        )
    last = max(count - 1, 1)
    return [(2 * n * (of - 1) + last) // (2 * last) for n in range(count)]


def copy_start(
    student: Mapping[str, Tensor],
    teacher: Mapping[str, Tensor],
    tokens: Tuple[Sequence[str], Sequence[str]],
    copy_layers: Optional[Sequence[int]] = None,
) -> Start:
    """Take a student's parameters from its teacher's.

    The whole encoder is taken over. Of decoder and output layers those parameters are
    that fit; where a row stands for a token, the rows of tokens that both have.

    Args:
        student: parameters of an untrained one; rows of other tokens stay theirs.
        teacher: parameters.
        tokens: token lists of student and teacher.
        copy_layers: the teacher's block for each of the student's encoder.

    Raises:
        ValueError: encoders of other widths or kinds; the message has the shapes.
    """
    layers = {}
    for stack in ("encoder.encoders", "decoder.decoders"):
        counts = [_count_blocks(names, stack) for names in (student, teacher)]
        if stack.startswith("encoder") and not all(counts):
            raise ValueError(
                f"the student's encoder has {counts[0]} blocks named {stack}, its "
                f"teacher's {counts[1]}: such blocks are what can be copied. Choose "
                "two encoders of one kind (conformer, Branchformer, transformer, ...), "
                "or another method than copy."
            )
        if all(counts) and (stack.startswith("encoder") or counts[0] <= counts[1]):
            wanted = copy_layers if stack.startswith("encoder") else None
            layers[stack] = choose_layers(*counts, wanted)
    places = {token: row for row, token in enumerate(tokens[1])}
    pairs = [(row, places[t]) for row, t in enumerate(tokens[0]) if t in places]
    found: Dict[str, Tensor] = {n: v for n, v in teacher.items() if _normalizes(n)}
    wrong, left = [], []
    for name, value in student.items():
        source = teacher.get(_source_of(name, layers))
        if source is not None and name.startswith(ROWS):
            if source.shape[1:] == value.shape[1:]:
                own, theirs = map(list, zip(*pairs)) if pairs else ([], [])
                found[name] = value.clone()
                found[name][own] = source[theirs].to(value.dtype)
                continue
        elif source is not None and source.shape == value.shape:
            found[name] = source
            continue
        elif name.startswith(NEEDED):
            theirs = "none" if source is None else f"{tuple(source.shape)}"
            wrong.append(f"{name}: student {tuple(value.shape)}, teacher {theirs}")
            continue
        left.append(name)
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ValueError(
            f"the student cannot begin as blocks of its teacher: {len(wrong)} "
            f"parameters differ: {'; '.join(wrong[:SHOWN])}{more}. Give a student "
            "whose frontend and encoder are the teacher's but for the number of "
            "blocks, or another method than copy."
        )
    return Start(found, layers["encoder.encoders"], left, len(pairs))


def write_start(
    student_config: Path,
    teacher: Tuple[Path, Path],
    token_list: Path,
    fs: int,
    output: Path,
    overlay: Optional[Path] = None,
) -> str:
    """Write what a student begins as, for ESPnet's ``--init_param``.

    Args:
        student_config: of its training.
        teacher: config.yaml and .pth.
        token_list: the student's.
        fs: sampling rate in Hz.
        output: the .pth to write.
        overlay: yaml that may have ``copy_layers``.

    Returns:
        What was taken over, in words.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: student and teacher do not fit, or a file is not what it should be.
    """
    start, tokens = _begin(student_config, teacher, token_list, fs, overlay)
    with atomic_write(output, "wb") as f:
        torch.save(start.parameters, f)
    blocks = " ".join(map(str, start.layers))
    left = f"; random: {' '.join(start.left[:SHOWN])}" if start.left else ""
    left += " ..." if len(start.left) > SHOWN else ""
    return (
        f"{output}: blocks {blocks} of the teacher, {start.tokens} of "
        f"{tokens} tokens{left}"
    )


def check_start(
    student_config: Path,
    teacher_config: Path,
    token_list: Path,
    fs: int,
    overlay: Optional[Path] = None,
) -> str:
    """Refuse what does not fit before the teacher is trained.

    Args:
        student_config: of its training.
        teacher_config: of its training.
        token_list: of both.
        fs: sampling rate in Hz.
        overlay: yaml that may have ``copy_layers``.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: student and teacher do not fit.
    """
    start, _ = _begin(student_config, (teacher_config, None), token_list, fs, overlay)
    return f"{student_config} fits {teacher_config}: blocks {start.layers}"


def _begin(
    student_config: Path,
    teacher: Tuple[Path, Optional[Path]],
    token_list: Path,
    fs: int,
    overlay: Optional[Path],
) -> Tuple[Start, int]:
    """Return what a student begins as, and the number of its tokens."""
    conf: Mapping[str, Any] = read_yaml(overlay) if overlay else {}
    check_keys(f"{overlay}", KEYS, conf)
    tokens = read_tokens(token_list)
    torch.manual_seed(0)  # rows of tokens that the teacher lacks
    untrained = build_untrained(student_config, fs, len(tokens)).state_dict()
    config, model = teacher
    if model is None:
        theirs = build_untrained(config, fs, len(tokens)).state_dict()
        lists = tokens, tokens
    else:
        with quietly():
            loaded, _ = load_model(config, model)
        theirs, lists = loaded.state_dict(), (tokens, list(loaded.token_list))
    try:
        start = copy_start(untrained, theirs, lists, conf.get("copy_layers"))
    except ValueError as error:
        raise ValueError(f"{student_config} and {config}: {error}") from None
    return start, len(tokens)


def _count_blocks(names: Mapping[str, Tensor], stack: str) -> int:
    found = (BLOCK.fullmatch(name) for name in names)
    return len({match[2] for match in found if match and match[1] == stack})


def _source_of(name: str, layers: Mapping[str, List[int]]) -> str:
    match = BLOCK.fullmatch(name)
    if not match or match[1] not in layers:
        return name
    return f"{match[1]}.{layers[match[1]][int(match[2])]}.{match[3]}"


def _normalizes(name: str) -> bool:
    return name.startswith(NORMALIZE)
