"""Philox4x32-10 on NumPy: the random bits of device kernels, and the oracle for compiled ones.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11. A counter-
based generator: 128 bits of counter and 64 bits of key give 128 random bits, with no state between
calls. The bits of an element depend only on (seed, offset, element index), never on how the work is
split.
"""

import numpy as np

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (0x9E3779B9, 0xBB67AE85)  # golden ratio and sqrt(3) - 1, as 32-bit fractions
_ROUNDS = 10
_LOW = np.uint64(0xFFFF_FFFF)
_HALF = np.uint64(32)
_CHUNK = 8192  # counters at a time: the eight uint64 temporaries stay in the second-level cache


def philox4x32(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Philox4x32-10 of `counter` (4, n), 32-bit words in any integer dtype, under `key`.

    Returns (4, n) uint32.
    """
    c0, c1, c2, c3 = np.asarray(counter).astype(np.uint64)
    key0, key1 = key
    for _ in range(_ROUNDS):
        product0 = c0 * _MULTIPLIERS[0]
        product1 = c2 * _MULTIPLIERS[1]
        c0 = (product1 >> _HALF) ^ c1 ^ np.uint64(key0)
        c2 = (product0 >> _HALF) ^ c3 ^ np.uint64(key1)
        c1 = product1 & _LOW
        c3 = product0 & _LOW
        key0 = (key0 + _KEY_STEPS[0]) & 0xFFFF_FFFF
        key1 = (key1 + _KEY_STEPS[1]) & 0xFFFF_FFFF
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def philox_bits(seed: int, offset: int, n: int) -> np.ndarray:
    """The 32-bit words of elements 0..n-1 of draw `offset` under `seed`; (n,) uint32.

    `seed` and `offset` are 64-bit (taken modulo 2**64). Element i is lane i % 4 of the counter
    (i//4 low, i//4 high, offset low, offset high).
    """
    if n < 0:
        raise ValueError(f"philox_bits needs a size of at least 0, but got n={n}")
    key = (seed & 0xFFFF_FFFF, (seed >> 32) & 0xFFFF_FFFF)
    blocks = -(-n // 4)
    bits = np.empty((blocks, 4), dtype=np.uint32)
    for start in range(0, blocks, _CHUNK):
        index = np.arange(start, min(start + _CHUNK, blocks), dtype=np.uint64)
        counter = np.empty((4, len(index)), dtype=np.uint64)
        counter[0] = index & _LOW
        counter[1] = index >> _HALF
        counter[2] = offset & 0xFFFF_FFFF
        counter[3] = (offset >> 32) & 0xFFFF_FFFF
        bits[start : start + len(index)] = philox4x32(counter, key).T
    return bits.reshape(-1)[:n]
