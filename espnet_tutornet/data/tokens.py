"""Make token lists in ESPnet's form, or take over a teacher's."""

import io
import re
from collections import Counter
from pathlib import Path
from typing import Callable, Iterable, List, Optional, Sequence, Tuple, Union

import sentencepiece

from espnet_tutornet.data.data_dir import check_replaceable, read_two_columns
from espnet_tutornet.utils.files import atomic_dir
from espnet_tutornet.utils.reading import read_yaml

BLANK, UNK, SPACE, SOS_EOS = "<blank>", "<unk>", "<space>", "<sos/eos>"
ENCODED = "char, bpe or word"  # what texts are encoded by
MODEL_TYPES = ("bpe", "unigram")  # ESPnet calls both token_type bpe


def load_encoder(
    token_type: str,
    bpemodel: Optional[Union[str, Path]] = None,
    symbols: Sequence[str] = (),
) -> Callable[[str], List[str]]:
    """Return the function from text to tokens, as ESPnet's ``text2tokens``.

    Args:
        token_type: ``char``, ``bpe`` or ``word``.
        bpemodel: sentencepiece model, for ``bpe``.
        symbols: non-linguistic ones, such as ``<noise>``: one token each of ``char``.
            A model for ``bpe`` knows those that it was trained with.

    Raises:
        ValueError: an unknown ``token_type``, or ``bpe`` without ``bpemodel``.
        FileNotFoundError: there is no such model.

    Example:
        >>> load_encoder("char")("A B")
        ['A', '<space>', 'B']
    """
    if token_type == "char":
        token = re.compile("|".join([*map(re.escape, symbols), "(?s:.)"]))
        return lambda text: [SPACE if t == " " else t for t in token.findall(text)]
    if token_type == "word":
        return str.split
    if token_type != "bpe":
        raise ValueError(f"token_type must be {ENCODED}, got {token_type!r}.")
    if bpemodel is None:
        raise ValueError("token_type bpe needs bpemodel, the path of a bpe.model.")
    return _load_model(Path(bpemodel).read_bytes(), bpemodel).EncodeAsPieces


def spell_words(tokens: Iterable[str], token_type: str = "") -> List[str]:
    """Join tokens, characters or pieces, into words.

    Args:
        tokens: those of one text.
        token_type: ``word``, where each is one.

    Example:
        >>> spell_words(["A", "<space>", "B"]), spell_words(["\u2581AB", "C"])
        (['A', 'B'], ['ABC'])
        >>> spell_words(["AB", "C"], "word")
        ['AB', 'C']
    """
    if token_type == "word":
        return list(tokens)
    return "".join(tokens).replace(SPACE, " ").replace("\u2581", " ").split()


def read_tokens(path: Union[str, Path]) -> List[str]:
    """Read tokens.txt: one token a line.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty, or a token comes twice.
    """
    lines = Path(path).read_text(encoding="utf-8").split("\n")
    return _check_tokens(lines[:-1] if lines[-1] == "" else lines, str(path))


def make_token_list(
    text: Union[str, Path],
    out_dir: Union[str, Path],
    token_type: str,
    nbpe: int = 0,
    symbols: Sequence[str] = (),
) -> List[str]:
    """Make a token list from transcripts.

    Args:
        text: file ``text`` of a data directory.
        out_dir: gets tokens.txt, token_type and, unless ``char``, bpe.model, bpe.vocab.
        token_type: ``char``, ``bpe`` or ``unigram``.
        nbpe: number of tokens, for the last two.
        symbols: non-linguistic ones, a token each.

    Returns:
        The tokens.

    Raises:
        ValueError: no transcripts, an unknown ``token_type``, or an ``nbpe`` that
            does not suit the text.
    """
    transcripts = _read_transcripts(text)
    if token_type == "char":
        tokens, model = _char_tokens(transcripts, symbols), None
    elif token_type in MODEL_TYPES:
        tokens, model = _train_pieces(transcripts, token_type, nbpe, symbols)
    else:
        raise ValueError(
            f"token_type must be one of char, {', '.join(MODEL_TYPES)}, "
            f"got {token_type!r}."
        )
    tokens = [BLANK, UNK, *tokens, SOS_EOS]
    _write(out_dir, tokens, model)
    return tokens


def copy_teacher_tokens(
    config: Union[str, Path],
    out_dir: Union[str, Path],
    text: Optional[Union[str, Path]] = None,
    symbols: Sequence[str] = (),
) -> List[str]:
    """Take over the token list of an ESPnet model, or what of it a text uses.

    Args:
        config: the model's config.yaml.
        out_dir: gets the same files as from ``make_token_list``.
        text: file ``text`` of a data directory; None: all tokens are taken.
        symbols: non-linguistic ones in the text.

    Returns:
        The tokens, in the model's order.

    Raises:
        FileNotFoundError: the config, or a file that it names, is missing.
        ValueError: the config has no usable token list, its sentencepiece model does
            not know the tokens, or the text holds no transcripts.
    """
    config, whose = Path(config), "config.yaml of a trained ESPnet ASR model"
    args = read_yaml(config, f"the {whose}", "Give its path.")
    missing = {"token_list", "token_type"} - set(args)
    if missing:
        raise ValueError(
            f"{config}: has no {', '.join(sorted(missing))}. " f"Expected the {whose}."
        )
    tokens, token_type = args["token_list"], args["token_type"]
    if token_type not in ("char", "bpe", "word"):
        raise ValueError(
            f"{config}: token_type is {token_type!r}, expected {ENCODED}. RKD alone "
            'needs no common tokens: --methods "none rkd_task".'
        )
    if isinstance(tokens, str):
        tokens = read_tokens(_find_file(config, tokens))
    tokens = _check_tokens(tokens, f"{config}: token_list")
    model = None
    if token_type == "bpe":
        path = _find_file(config, args.get("bpemodel"))
        model = path.read_bytes()
        pieces = set(_pieces(_load_model(model, path)))
        unknown = [t for t in tokens if t not in pieces and not t.startswith("<")]
        if unknown:
            raise ValueError(
                f"{path}: does not know tokens of {config}: {', '.join(unknown[:5])}. "
                "Expected the sentencepiece model that the teacher was trained with."
            )
    if text is not None:
        bpemodel = None if model is None else path
        encode = load_encoder(token_type, bpemodel, symbols)
        seen = {token for line in _read_transcripts(text) for token in encode(line)}
        tokens = [t for t in tokens if t in seen or t in (BLANK, UNK, SOS_EOS)]
    _write(out_dir, tokens, model, token_type)
    return tokens


def _read_transcripts(text: Union[str, Path]) -> List[str]:
    transcripts = [" ".join(line.split()) for line in read_two_columns(text).values()]
    if not any(transcripts):
        raise ValueError(f"{text}: holds no transcripts.")
    return transcripts


def _char_tokens(transcripts: Iterable[str], symbols: Sequence[str]) -> List[str]:
    encode = load_encoder("char", None, symbols)
    counts = Counter(token for text in transcripts for token in encode(text))
    return sorted(counts, key=lambda token: (-counts[token], token))


def _train_pieces(
    transcripts: Iterable[str], model_type: str, nbpe: int, symbols: Sequence[str]
) -> Tuple[List[str], bytes]:
    if nbpe < 4:
        raise ValueError(f"nbpe must be at least 4, got {nbpe}.")
    model = io.BytesIO()  # a file's name would become part of the model
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(transcripts),
            model_writer=model,
            model_type=model_type,
            vocab_size=nbpe,
            character_coverage=1.0,
            user_defined_symbols=list(symbols),
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        # "Internal: src/x.cc(1) [condition] Vocabulary size too high (9). ... <= 8."
        reason = str(error).rpartition("] ")[2]
        raise ValueError(f"nbpe {nbpe} does not suit the text: {reason}") from error
    pieces = _pieces(_load_model(model.getvalue(), "bpe.model"))
    return [p for p in pieces if p not in (UNK, "<s>", "</s>")], model.getvalue()


def _load_model(
    model: bytes, name: Union[str, Path]
) -> sentencepiece.SentencePieceProcessor:
    try:
        return sentencepiece.SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise ValueError(f"{name}: is no sentencepiece model ({error}).") from error


def _pieces(model: sentencepiece.SentencePieceProcessor) -> List[str]:
    return [model.IdToPiece(i) for i in range(model.GetPieceSize())]


def _find_file(config: Path, name: Optional[str]) -> Path:
    """Find a file named in a config: beside it, in a directory above, or from here."""
    if not isinstance(name, str):
        raise ValueError(f"{config}: expected a path for bpemodel, got {name!r}.")
    # A training config holds paths relative to the recipe that it was trained in.
    for base in [*config.resolve().parents, Path()]:
        if (base / name).is_file():
            return base / name
    raise FileNotFoundError(
        f"{name}: named in {config}, found neither from there nor from "
        f"{Path().resolve()}. Put the file there, or correct the config."
    )


def _check_tokens(tokens: Sequence[str], where: str) -> List[str]:
    if not isinstance(tokens, list) or not tokens:
        raise ValueError(f"{where}: expected a list of tokens, got {tokens!r}.")
    wrong = [t for t in tokens if not isinstance(t, str) or t == "" or "\n" in t]
    if wrong:
        raise ValueError(f"{where}: {wrong[0]!r} is no token. Quote it in yaml.")
    twice = [token for token, count in Counter(tokens).items() if count > 1]
    if twice:
        raise ValueError(f"{where}: tokens come twice: {' '.join(twice[:5])}")
    return tokens


def _write(
    out_dir: Union[str, Path],
    tokens: Sequence[str],
    model: Optional[bytes],
    token_type: str = "char",
) -> None:
    check_replaceable(out_dir, "tokens.txt")
    with atomic_dir(out_dir) as new:
        lines = "".join(f"{token}\n" for token in tokens)
        (new / "tokens.txt").write_text(lines, encoding="utf-8")
        token_type = token_type if model is None else "bpe"
        (new / "token_type").write_text(f"{token_type}\n", encoding="utf-8")
        if model is not None:
            (new / "bpe.model").write_bytes(model)
            loaded = _load_model(model, "bpe.model")
            vocabulary = [
                f"{p}\t{loaded.GetScore(i):g}\n" for i, p in enumerate(_pieces(loaded))
            ]
            (new / "bpe.vocab").write_text("".join(vocabulary), encoding="utf-8")
