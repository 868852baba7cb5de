"""Sequences of different lengths: padding them to one tensor, packing them without padding.

Lengths are (B,) integers; sequences are (L_i, *). A padded batch is (T, B, *), or (B, T, *) when
`batch_first`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import plait
from plait import Tensor
from plait.core.ir.errors import error

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _PackedFields(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


# A named tuple of its own: `PackedSequence` adds a constructor, which `NamedTuple` does not allow.
class PackedSequence(_PackedFields):
    """Sequences in order of falling length, step by step: `data` (sum of lengths, *).

    `batch_sizes` (T,) on the CPU counts the sequences alive at each step; `sorted_indices` is the
    order they were brought into (None: as given), `unsorted_indices` its inverse. Made by the
    functions here.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Any = None,
        sorted_indices: Any = None,
        unsorted_indices: Any = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The sequences with `data` moved or cast like a tensor's `to`."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def cpu(self) -> PackedSequence:
        """The sequences on the CPU."""
        return self.to(device="cpu")

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The sequences on a CUDA device; the tensor's own error where there is none."""
        data = self.data.cuda(*args, **kwargs)
        return type(self)(data, self.batch_sizes, self.sorted_indices, self.unsorted_indices)

    def double(self) -> PackedSequence:
        """The sequences as float64."""
        return self.to(dtype=plait.float64)

    def float(self) -> PackedSequence:
        """The sequences as float32."""
        return self.to(dtype=plait.float32)

    def half(self) -> PackedSequence:
        """The sequences as float16."""
        return self.to(dtype=plait.float16)

    def long(self) -> PackedSequence:
        """The sequences as int64."""
        return self.to(dtype=plait.int64)

    def pin_memory(self) -> PackedSequence:
        """The sequences themselves: all memory is ordinary memory."""
        return self

    @property
    def is_cuda(self) -> bool:
        """Whether `data` is on a CUDA device."""
        return self.data.is_cuda


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The inverse of a permutation (N,), or None of None."""
    if permutation is None:
        return None
    return plait.argsort(permutation)


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | Sequence[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Pack a padded batch; `enforce_sorted=False` sorts it by length first.

    Raises RuntimeError for lengths that are not positive, too long, unsorted or of the wrong count.
    """
    known: Any = lengths
    if not isinstance(lengths, Tensor):
        known = plait.tensor(list(lengths), dtype=plait.int64)
    sorted_indices = None
    if not enforce_sorted:
        known, sorted_indices = plait.sort(known, descending=True)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    counts = [int(length) for length in known.tolist()]
    _check_lengths(counts, input)
    alive = [sum(count > step for count in counts) for step in range(counts[0])]
    data = plait.cat([input[step, :count] for step, count in enumerate(alive)])
    return PackedSequence(data, plait.tensor(alive, dtype=plait.int64), sorted_indices, None)


def _check_lengths(counts: list[int], padded: Tensor) -> None:
    """`padded` is (T, B, *), `counts` the lengths of its B sequences."""
    steps, batch = padded.size(0), padded.size(1)
    if len(counts) != batch:
        raise error(
            RuntimeError,
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} "
            f"(batch_size={batch})",
        )
    if any(later > earlier for earlier, later in pairwise(counts)):
        raise error(
            RuntimeError,
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
            "You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability.",
        )
    if not counts or counts[-1] <= 0:
        raise error(
            RuntimeError,
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0",
        )
    if counts[0] > steps:
        raise error(
            RuntimeError,
            f"Expected lengths of at most {steps}, the padded length of the input, "
            f"but got {counts[0]}",
        )


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The padded batch and the lengths of a packed one, in the order before packing."""
    alive = sequence.batch_sizes.tolist()
    steps = len(alive)
    if total_length is not None and total_length < steps:
        raise error(
            ValueError,
            "Expected total_length to be at least the length of the longest sequence in input, "
            f"but got total_length={total_length} and max sequence length being {steps}",
        )
    batch = alive[0]
    data = sequence.data
    rows = []
    for block in data.split(alive):
        missing = batch - block.size(0)
        if missing:
            filler = data.new_full((missing, *data.shape[1:]), padding_value)
            block = plait.cat([block, filler])
        rows.append(block)
    extra = (total_length or steps) - steps
    rows += [data.new_full((batch, *data.shape[1:]), padding_value)] * extra
    padded = plait.stack(rows, dim=1 if batch_first else 0)
    lengths = plait.tensor([sum(count > b for count in alive) for b in range(batch)])
    order = sequence.unsorted_indices
    if order is None:
        return padded, lengths
    return padded.index_select(0 if batch_first else 1, order), lengths[order]


def pad_sequence(
    sequences: Tensor | Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack sequences (L_i, *), each padded at one side to the longest."""
    rows: Any = sequences.unbind(0) if isinstance(sequences, Tensor) else sequences
    if not isinstance(rows, (list, tuple)):
        raise error(
            RuntimeError,
            "pad_sequence: Expected iterable for input sequences, "
            f"but got arg of type: {type(sequences)}",
        )
    if not rows:
        raise error(RuntimeError, "pad_sequence: received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise error(
            RuntimeError,
            f"Expected padding_side to be one of left or right, but got {padding_side}.",
        )
    steps = max(sequence.size(0) for sequence in rows)
    padded = []
    for sequence in rows:
        missing = steps - sequence.size(0)
        if missing:
            filler = sequence.new_full((missing, *sequence.shape[1:]), padding_value)
            parts = [sequence, filler] if padding_side == "right" else [filler, sequence]
            sequence = plait.cat(parts)
        padded.append(sequence)
    return plait.stack(padded, dim=0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of a padded batch, cut at their lengths."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:length] for row, length in zip(rows.unbind(0), lengths.tolist())]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (L_i, *), longest first unless `enforce_sorted` is False."""
    lengths = plait.tensor([sequence.size(0) for sequence in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed batch, in the order before packing."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
