"""Connectionist temporal classification: the loss, and decoding. Source: Graves et al.,
Connectionist temporal classification (2006)."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.backend.common.dtypes import result_type
from keras.src.backend.common.symbolic_scope import in_symbolic_scope

import plait as torch
import plait.nn.functional as F
from keras_plait.src.core import convert_to_numpy, convert_to_tensor, to_plait_dtype
from keras_plait.src.operands import name_of


def _at_least_float32(x: Any) -> Any:
    x = convert_to_tensor(x)
    return x.to(to_plait_dtype(result_type(name_of(x), "float32")))


def ctc_loss(
    target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0
) -> Any:
    """The loss (batch,) of class numbers (batch, labels) and logits (batch, time, classes)."""
    return F.ctc_loss(
        F.log_softmax(_at_least_float32(output), -1).movedim(1, 0),
        convert_to_tensor(target).to(torch.int64),
        convert_to_tensor(output_length).to(torch.int64),
        convert_to_tensor(target_length).to(torch.int64),
        blank=mask_index,
        reduction="none",
    )


def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int | None = 0,
) -> tuple[Any, Any]:
    """(class numbers (paths, batch, time) filled up with -1, scores (batch, paths)).

    strategy: "greedy", the likeliest class at each time, or "beam_search", the likeliest labels
    among `beam_width` kept at each time. The search runs on the host: what it computes depends on
    what it has found.
    """
    inputs = _at_least_float32(inputs)
    blank = inputs.shape[-1] - 1 if mask_index is None else mask_index
    if strategy == "greedy":
        return _greedy(inputs, sequence_lengths, merge_repeated, blank)
    if strategy != "beam_search":
        raise ValueError(
            f"Invalid strategy {strategy}. Supported values are 'greedy' and 'beam_search'."
        )
    batch, time, _ = inputs.shape
    paths = np.full((top_paths, batch, time), -1, dtype=np.int32)
    scores = np.full((batch, top_paths), -np.inf, dtype=inputs.dtype.numpy)
    if not in_symbolic_scope():
        log_probability = convert_to_numpy(F.log_softmax(inputs, -1))
        lengths = convert_to_numpy(sequence_lengths)
        for sample in range(batch):
            found = _beam_search(log_probability[sample, : lengths[sample]], beam_width, blank)
            for rank, (labels, score) in enumerate(found[:top_paths]):
                paths[rank, sample, : len(labels)] = labels
                scores[sample, rank] = score
    return convert_to_tensor(paths), convert_to_tensor(scores)


def _greedy(inputs: Any, lengths: Any, merge_repeated: bool, blank: int) -> tuple[Any, Any]:
    best, found = torch.max(inputs, -1)
    over = torch.arange(inputs.shape[1])[None, :] >= convert_to_tensor(lengths)[:, None]
    found = torch.where(over, blank, found)
    score = -torch.sum(torch.where(over, 0.0, best), 1, keepdim=True)
    if merge_repeated:
        repeated = F.pad(found[:, 1:] == found[:, :-1], (1, 0))
        found = torch.where(repeated, blank, found)
    empty = found == blank
    order = torch.argsort(empty.to(torch.int32), dim=-1, stable=True)
    found = torch.gather(torch.where(empty, -1, found), -1, order)
    return found[None].to(torch.int32), score


def _beam_search(
    log_probability: np.ndarray, width: int, blank: int
) -> list[tuple[tuple[int, ...], float]]:
    """Labels with their log-probabilities, likeliest first, of (time, classes).

    For each beginning the probability is kept apart by whether it ends in a blank. Source: Hannun
    et al., First-pass large vocabulary continuous speech recognition using bi-directional recurrent
    DNNs (2014).
    """
    none = -np.inf
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, none)}
    for step in log_probability:
        grown: dict[tuple[int, ...], list[float]] = {}

        def add(labels: tuple[int, ...], place: int, score: float, grown: Any = grown) -> None:
            entry = grown.setdefault(labels, [none, none])
            entry[place] = np.logaddexp(entry[place], score)

        for labels, (with_blank, without) in beams.items():
            total = np.logaddexp(with_blank, without)
            for number, score in enumerate(step):
                if number == blank:
                    add(labels, 0, total + score)
                elif labels and number == labels[-1]:
                    add(labels, 1, without + score)
                    add((*labels, number), 1, with_blank + score)
                else:
                    add((*labels, number), 1, total + score)
        ranked = sorted(grown.items(), key=lambda item: -np.logaddexp(item[1][0], item[1][1]))
        beams = {labels: (entry[0], entry[1]) for labels, entry in ranked[:width]}
    return [(labels, float(np.logaddexp(ends, rest))) for labels, (ends, rest) in beams.items()]
