"""Is what a cache keeps of a teacher what the teacher says of an utterance alone?"""

from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence, Tuple

import torch

from espnet_tutornet.cache.forms import unpack
from espnet_tutornet.cache.store import CacheReader, load_codebooks
from espnet_tutornet.data.tokens import spell_words
from espnet_tutornet.layers.ctc_path import collapse_path
from espnet_tutornet.layers.independence import STOCK
from espnet_tutornet.scoring.alignment import align
from espnet_tutornet.scoring.score import count, percentages, read_text

if TYPE_CHECKING:  # it loads ESPnet, which nobody needs to read a cache
    from espnet_tutornet.teacher.listen import Listener

UTTERANCES = 50  # on which the error of the hidden states is measured
POINTS, SHARE, WORDS = 0.3, 0.03, 2  # that error rates may be apart


def check_posteriors(
    directory: Path, data_dir: Path, decoded: Optional[Path], token_type: str = ""
) -> List[str]:
    """Compare what the kept posteriors spell with what the teacher recognised alone.

    Args:
        directory: a complete cache.
        data_dir: a set whose utterances it holds, with ``text``.
        decoded: a directory with ``text``, the best paths of the teacher alone.
        token_type: ``word``, where each of the teacher's tokens is one.

    Returns:
        Lines to print: both word error rates, or why they were not compared.

    Raises:
        RuntimeError: the two are further apart than 0.3 points, 3 % of the teacher's
            and two words of the set.
    """
    cache = CacheReader(directory)
    if not cache.manifest.top_k:
        return [f"{directory} keeps no posteriors: their WER is not compared."]
    texts = data_dir / "text"
    refs = read_text(texts) if texts.is_file() and texts.stat().st_size else {}
    refs = {utt_id: words for utt_id, words in refs.items() if words}
    if not refs:
        return [f"{data_dir} has no transcripts: the WER of what is kept is unknown."]
    hyps = _spell(directory, cache, list(refs), token_type)
    kept = _word_error_rate(refs, hyps)
    line = f"{data_dir.name}: WER {kept:.2f} % of the posteriors kept in {directory}"
    alone_text = decoded / "text" if decoded else None
    if alone_text is None or not alone_text.is_file():
        return [f"{line}; not compared, no {alone_text or 'decoding'} of the teacher."]
    theirs = read_text(alone_text)
    missing = sorted(set(refs) - set(theirs))
    if missing:
        raise RuntimeError(
            f"{alone_text} lacks {len(missing)} utterances of {data_dir}, such as "
            f"{missing[0]}. Let the teacher recognise the set again (run.sh, stage 7)."
        )
    alone = _word_error_rate(refs, theirs)
    words = sum(map(len, refs.values()))
    allowed = max(POINTS, SHARE * alone, 100 * WORDS / words)
    line += f", {alone:.2f} % of the teacher alone"
    if cache.manifest.padding == STOCK:
        return [f"{line}; not judged, as padding was to be heard"]
    if abs(kept - alone) > allowed:
        raise RuntimeError(
            f"{line}: they differ by more than {allowed:.2f} points, so students would "
            "learn from another teacher than the one that was measured. Keep more of "
            "each frame (--top_k), or bring another teacher."
        )
    return [f"{line}: at most {allowed:.2f} points apart"]


def measure_hidden(
    directory: Path, listener: "Listener", utt_ids: Sequence[str]
) -> Dict[str, Tuple[float, float]]:
    """Measure how far kept hidden states are from those of the teacher alone.

    Args:
        directory: a complete cache.
        listener: the teacher, with the audio.
        utt_ids: utterances to choose from, evenly spread.

    Returns:
        Layer name -> relative norm of the difference, median and 90th percentile
        over the utterances.
    """
    cache = CacheReader(directory)
    forms = cache.manifest.forms(load_codebooks(directory))
    step = max(len(utt_ids) // UTTERANCES, 1)
    errors: Dict[str, List[float]] = {name: [] for name in cache.manifest.layers}
    for utt_id in list(utt_ids)[::step][:UTTERANCES]:
        kept = unpack(torch.from_numpy(cache[utt_id])[None], forms)
        alone = listener.listen([utt_id])
        for name, values in errors.items():
            expected = alone.hidden[name][0].float().cpu()
            found = kept[name][0, : len(expected)].float()
            expected = expected[: len(found)]
            error = (found - expected).norm() / expected.norm()
            values.append(float(error))
    return {
        name: (median(values), quantiles(values, n=10, method="inclusive")[-1])
        for name, values in errors.items()
        if len(values) > 1
    }


def _spell(
    directory: Path, cache: CacheReader, utt_ids: Sequence[str], token_type: str
) -> Dict[str, List[str]]:
    """Return utterance id -> words of the best path of what is kept."""
    manifest = cache.manifest
    forms = manifest.forms(load_codebooks(directory))
    found = {}
    for utt_id in utt_ids:
        streams = unpack(torch.from_numpy(cache[utt_id])[None], forms)
        path = streams["posteriors"][0].argmax(dim=-1)  # (T, V) -> (T,)
        ids = collapse_path(path, manifest.blank_id)
        tokens = (manifest.token_list[i] for i in ids)
        found[utt_id] = spell_words(tokens, token_type)
    return found


def _word_error_rate(
    refs: Mapping[str, List[str]], hyps: Mapping[str, List[str]]
) -> float:
    operations = align(list(refs.values()), [hyps[utt_id] for utt_id in refs])
    return percentages(count(operations))[4]
