"""The state behind random draws: a Mersenne Twister for host values, a counter for device kernels.

`Generator` holds two independent sources that one seed sets:

- **mt19937** (Matsumoto & Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998), consumed in the
  order and the word layout of PyTorch's CPU generator, so that `host_random` and `host_normal`
  return the values that `torch.manual_seed(s); torch.rand(...)` gives. NumPy's `RandomState`, whose
  stream is frozen by NEP 19, is the engine.
- **a Philox counter**: each draw of a device kernel takes `(seed, offset)` with an offset no other
  draw of this generator gets; the kernel derives the bits of element i from (seed, offset, i).

`get_state()` gives PyTorch's own 5056 bytes, so states can be exchanged with PyTorch. PyTorch keeps
there one double (`normal_x`) that it writes as zero and never reads: the Philox offset lives in it.
A state made by PyTorch therefore loads with offset 0, and PyTorch loads a state made here.
"""

# Annotations stay text: evaluating `np.random.RandomState` would import numpy.random.
from __future__ import annotations

import operator
import os
import threading
from typing import Any

import numpy as np

from plait.core.ir.errors import error
from plait.core.runtime import host_kernels

DEFAULT_SEED = 67280421310721  # PyTorch's seed for a generator nobody has seeded
STATE_BYTES = 5056
_WORDS = 624  # 32-bit words of one mt19937 block

# PyTorch's CPUGeneratorImplState, field by field, with the padding C++ puts in.
_STATE_LAYOUT = np.dtype(
    [
        ("initial_seed", "<u8"),
        ("left", "<i4"),  # words left in the block, plus one
        ("seeded", "<i4"),
        ("next", "<u8"),  # index of the next word
        ("words", "<u8", (_WORDS,)),  # each holds a 32-bit word
        ("philox_offset", "<u8"),  # PyTorch: normal_x, always zero
        ("normal_y", "<f8"),  # the second normal of the last scalar pair
        ("normal_rho", "<f8"),
        ("normal_is_valid", "<i4"),
        ("padding", "<i4"),
        ("float_normal", "<f4"),
        ("float_normal_is_valid", "u1"),
        ("tail", "u1", (3,)),
    ]
)
assert _STATE_LAYOUT.itemsize == STATE_BYTES


def _numpy_words(engine: np.random.RandomState, count: int) -> np.ndarray:
    """The next words; the full range maps one word to one value: the raw stream, filled in C."""
    return engine.randint(0, 1 << 32, size=count, dtype=np.uint32)


def _checked_seed(seed: int) -> int:
    """`seed` as an unsigned 64-bit integer; negative ones count down from 2**64 as in PyTorch."""
    if isinstance(seed, bool | np.bool_):
        raise error(RuntimeError, f"manual_seed expected an integer, but got {type(seed).__name__}")
    try:
        value = operator.index(seed)
    except TypeError:
        raise error(
            RuntimeError, f"manual_seed expected an integer, but got {type(seed).__name__}"
        ) from None
    if not -(1 << 63) <= value < (1 << 64):
        raise error(
            ValueError,
            f"Overflow when unpacking long long: manual_seed takes a seed in "
            f"[-2**63, 2**64 - 1], but got {value}",
        )
    return value & 0xFFFF_FFFF_FFFF_FFFF


class Generator:
    """A stream of random numbers with PyTorch's CPU semantics. Safe to share between threads.

    >>> g = Generator().manual_seed(0)
    >>> g.initial_seed()
    0
    """

    def __init__(self, seed: int = DEFAULT_SEED):
        self._lock = threading.RLock()
        self.manual_seed(seed)

    # --- seeding -------------------------------------------------------------------------------

    def manual_seed(self, seed: int) -> Generator:
        """Restart both streams from `seed`, in [-2**63, 2**64); returns self.

        Only its low 32 bits reach the Mersenne Twister, as in PyTorch; Philox takes all 64.
        Raises ValueError when out of range, RuntimeError for anything but an integer.
        """
        value = _checked_seed(seed)
        with self._lock:
            self._seed = value
            # The engine is made at the first draw: importing numpy.random costs milliseconds.
            self._engine = None
            self._untouched = True
            self._philox_offset = 0
            self._cached_normal: float | None = None
            self._float_normal = (0.0, 0)
        return self

    def seed(self) -> int:
        """Reseed from the operating system's entropy; returns the new seed (53 bits)."""
        value = int.from_bytes(os.urandom(8), "little") & ((1 << 53) - 1)
        self.manual_seed(value)
        return value

    def initial_seed(self) -> int:
        """The seed last set, as an unsigned 64-bit integer."""
        return self._seed

    # --- draws ---------------------------------------------------------------------------------

    def words32(self, count: int) -> np.ndarray:
        """The next `count` words of the Mersenne Twister, uint32."""
        with self._lock:
            engine = self._twister()
            if count:
                self._untouched = False
            if count >= host_kernels.FROM:
                words = self._native_words(engine, count)
                if words is not None:
                    return words
            return _numpy_words(engine, count)

    def _native_words(self, engine: np.random.RandomState, count: int) -> np.ndarray | None:
        """Whole blocks by native code, the ends by NumPy. None for too few words, or without it."""
        state: Any = engine.get_state(legacy=False)
        twister = state["state"]
        first = _WORDS - int(twister["pos"])
        if count < first + _WORDS:
            return None
        blocks, last = divmod(count - first, _WORDS)
        words = np.empty(count, np.uint32)
        key = np.array(twister["key"], np.uint32)
        middle = words[first : first + blocks * _WORDS]
        if not host_kernels.twist(middle, key):
            return None
        words[:first] = _numpy_words(engine, first)
        twister["key"], twister["pos"] = key, _WORDS
        engine.set_state(state)
        words[count - last :] = _numpy_words(engine, last)
        return words

    def words64(self, count: int) -> np.ndarray:
        """`count` 64-bit words, uint64; of each pair of 32-bit words the first is the high half."""
        pairs = self.words32(2 * count).reshape(count, 2)
        return (pairs[:, 0].astype(np.uint64) << np.uint64(32)) | pairs[:, 1]

    def next_counter(self, draws: int = 1) -> tuple[int, int]:
        """Reserve `draws` consecutive Philox offsets; returns (seed, first offset)."""
        if draws < 1:
            raise error(
                ValueError, f"next_counter reserves at least one offset, but got draws={draws}"
            )
        with self._lock:
            offset = self._philox_offset
            self._philox_offset = (offset + draws) & 0xFFFF_FFFF_FFFF_FFFF
        return self._seed, offset

    def take_cached_normal(self) -> float | None:
        """The second normal of the last scalar pair, once; None when there is none."""
        value, self._cached_normal = self._cached_normal, None
        return value

    def cache_normal(self, value: float) -> None:
        """Keep the second normal of a scalar pair for the next scalar draw."""
        self._cached_normal = value

    def _twister(self) -> np.random.RandomState:
        if self._engine is None:
            self._engine = np.random.RandomState(self._seed & 0xFFFF_FFFF)
        return self._engine

    # --- state ---------------------------------------------------------------------------------

    def get_state(self) -> np.ndarray:
        """The whole state as 5056 bytes, uint8, in PyTorch's layout (see the module's text)."""
        state = np.zeros((), dtype=_STATE_LAYOUT)
        with self._lock:
            twister = self._twister().get_state(legacy=False)["state"]
            position = int(twister["pos"])
            fresh = self._untouched
            state["initial_seed"] = self._seed
            # A fresh block and one used up differ only in `next`; both refill at the next draw.
            state["left"] = 1 if fresh else _WORDS + 1 - position
            state["seeded"] = 1
            state["next"] = 0 if fresh else position
            state["words"] = twister["key"]
            state["philox_offset"] = self._philox_offset
            if self._cached_normal is not None:
                state["normal_y"] = self._cached_normal
                state["normal_is_valid"] = 1
            state["float_normal"], state["float_normal_is_valid"] = self._float_normal
        return np.frombuffer(state.tobytes(), dtype=np.uint8).copy()

    def set_state(self, state: np.ndarray) -> Generator:
        """Restore what `get_state` gave, here or in PyTorch; returns self.

        Raises TypeError when `state` is not uint8, RuntimeError when its size or content is wrong;
        the generator is then unchanged.
        """
        raw = np.asarray(state)
        if raw.dtype != np.uint8:
            raise error(
                TypeError, f"RNG state must be a torch.ByteTensor, but got dtype {raw.dtype}"
            )
        if raw.size != STATE_BYTES:
            raise error(
                RuntimeError,
                f"Expected a CPUGeneratorImplState of size {STATE_BYTES} but found the input RNG "
                f"state size to be {raw.size}; pass what get_rng_state() or get_state() returned",
            )
        fields = np.frombuffer(raw.tobytes(), dtype=_STATE_LAYOUT)[0]
        left, position = int(fields["left"]), int(fields["next"])
        words = fields["words"]
        consistent = left == 1 or position == _WORDS + 1 - left
        in_range = 1 <= left <= _WORDS and position <= _WORDS and words.max() < 1 << 32
        if not (fields["seeded"] == 1 and in_range and consistent):
            raise error(
                RuntimeError,
                f"Invalid mt19937 state: seeded={int(fields['seeded'])}, left={left}, "
                f"next={position}; these bytes are not the state of a CPU generator",
            )
        engine = np.random.RandomState(0)
        start = _WORDS if left == 1 else position
        # The last two are NumPy's own kept normal: none.
        engine.set_state(("MT19937", words.astype(np.uint32), start, 0, 0.0))
        with self._lock:
            self._engine = engine
            self._untouched = left == 1 and position == 0
            self._seed = int(fields["initial_seed"])
            self._philox_offset = int(fields["philox_offset"])
            self._cached_normal = float(fields["normal_y"]) if fields["normal_is_valid"] else None
            self._float_normal = (
                float(fields["float_normal"]),
                int(fields["float_normal_is_valid"]),
            )
        return self

    def clone(self) -> Generator:
        """An independent generator in the same state."""
        return Generator().set_state(self.get_state())

    def __copy__(self) -> Generator:
        return self.clone()

    def __deepcopy__(self, memo: dict) -> Generator:
        return self.clone()

    def __reduce__(self):
        return _from_state, (self.get_state(),)

    def __repr__(self) -> str:
        return f"Generator(seed={self._seed}, philox_offset={self._philox_offset})"


def _from_state(state: np.ndarray) -> Generator:
    """What a pickled generator calls."""
    return Generator().set_state(state)
