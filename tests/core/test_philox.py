"""Philox4x32-10 against the known answers published with Random123, and its indexing."""

import numpy as np

from plait.core.ops.numeric.philox import philox4x32, philox_bits

# (counter, key, output), from the known-answer tests of Random123 (Salmon et al., SC11).
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def test_known_answers():
    for counter, key, output in KNOWN:
        got = philox4x32(np.array(counter, np.uint64)[:, None], key)
        assert got.dtype == np.uint32 and got[:, 0].tolist() == list(output)


def test_counter_layout():
    seed, offset = 0x299F31D0_A4093822, 0x03707344_13198A2E
    counter = np.array([[1], [0], [0x13198A2E], [0x03707344]], np.uint64)
    expected = philox4x32(counter, (0xA4093822, 0x299F31D0))[:, 0]
    assert philox_bits(seed, offset, 8)[4:].tolist() == expected.tolist()
    assert philox_bits(0, 0, 4).tolist() == list(KNOWN[0][2])


def test_bits_depend_on_the_index_alone():
    long = philox_bits(7, 3, 100_003)
    assert long.shape == (100_003,) and long.dtype == np.uint32
    for n in (0, 1, 2, 3, 4, 5, 32_768, 32_769):
        assert np.array_equal(philox_bits(7, 3, n), long[:n])


def test_draws_and_seeds_differ():
    draws = {philox_bits(s, o, 4).tobytes() for s in (0, 1, 2**32, 2**63) for o in (0, 1, 2**32)}
    assert len(draws) == 12


def test_bits_look_uniform():
    bits = philox_bits(1, 1, 1 << 16)
    # A mean of 2**16 fair bits has a standard deviation of 1/512; five of them.
    for bit in range(32):
        assert abs(((bits >> np.uint32(bit)) & 1).mean() - 0.5) < 5 / 512
