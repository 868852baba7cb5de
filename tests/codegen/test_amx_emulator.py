"""The emulator of AMX by itself: what Intel's manual says of each instruction."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import pytest

from plait.core.codegen.amx import CONFIGURATION
from tests.codegen.amx_emulator import Emulator
from tests.codegen.amx_emulator import emulator as shared


@pytest.fixture
def cpu() -> Iterator[Emulator]:
    shared.reset()
    yield shared
    shared.reset()


def address(array: np.ndarray) -> int:
    return array.ctypes.data


def configure(cpu: Emulator, shapes: dict[int, tuple[int, int]], **other: int) -> None:
    """Set tiles to (rows, bytes of a row); other: further bytes, by their place."""
    given = bytearray(64)
    given[0] = 1
    for tile, (rows, colsb) in shapes.items():
        struct.pack_into("<H", given, 16 + 2 * tile, colsb)
        given[48 + tile] = rows
    for place, value in other.items():
        given[int(place[1:])] = value
    kept = np.frombuffer(bytes(given), np.uint8)
    cpu.do("ldtilecfg", address(kept))


def load(cpu: Emulator, tile: int, value: np.ndarray) -> None:
    value = np.ascontiguousarray(value)
    cpu.do("tileloadd64", tile, address(value), value.strides[0])


def bf16(values: np.ndarray) -> np.ndarray:
    """The upper halves of float32 numbers."""
    return (np.asarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def test_the_configuration_that_kernels_use(cpu: Emulator) -> None:
    assert len(CONFIGURATION) == 64
    cpu.do("ldtilecfg", address(np.frombuffer(CONFIGURATION, np.uint8)))
    assert not cpu.faults and cpu.is_configured()
    assert [cpu.shape(tile) for tile in range(8)] == [(16, 64)] * 8
    cpu.do("tilerelease")
    assert not cpu.is_configured()


@pytest.mark.parametrize(
    ("shapes", "other"),
    [
        ({0: (17, 64)}, {}),
        ({7: (16, 65)}, {}),
        ({3: (0, 64)}, {}),
        ({3: (4, 0)}, {}),
        ({0: (16, 64)}, {"b0": 2}),
        ({0: (16, 64)}, {"b2": 1}),
        ({0: (16, 64)}, {"b15": 1}),
        ({0: (16, 64)}, {"b32": 1}),
        ({0: (16, 64)}, {"b47": 1}),
        ({0: (16, 64)}, {"b56": 1}),
    ],
    ids=str,
)
def test_bad_configurations(cpu: Emulator, shapes: dict, other: dict) -> None:
    configure(cpu, shapes, **other)
    assert cpu.faults and "#GP" in cpu.faults[0] and not cpu.is_configured()


def test_tiles_that_are_not_there(cpu: Emulator) -> None:
    data = np.zeros(1024, np.uint8)
    cpu.do("tilezero", 0)
    assert cpu.faults == ["tilezero: #UD: tiles are not configured"]
    configure(cpu, {0: (16, 64)})
    cpu.do("tileloadd64", 1, address(data), 64)
    cpu.do("tilestored64", 8, address(data), 64)
    assert ["is not configured" in fault for fault in cpu.faults[1:]] == [True, True]


@pytest.mark.parametrize(
    "shapes",
    [
        {0: (4, 8), 1: (5, 12), 2: (3, 8)},
        {0: (4, 8), 1: (4, 12), 2: (4, 8)},
        {0: (4, 8), 1: (4, 12), 2: (3, 12)},
        {0: (4, 8), 1: (4, 14), 2: (3, 8)},
    ],
    ids=str,
)
def test_products_of_shapes_that_do_not_meet(cpu: Emulator, shapes: dict) -> None:
    configure(cpu, shapes)
    cpu.do("tdpbf16ps", 0, 1, 2)
    assert cpu.faults and "#UD" in cpu.faults[0]


def test_a_tile_twice(cpu: Emulator) -> None:
    configure(cpu, dict.fromkeys(range(3), (16, 64)))
    for operands in ((0, 0, 1), (0, 1, 0), (0, 1, 1)):
        cpu.do("tdpbf16ps", *operands)
    assert len(cpu.faults) == 3


def test_rows_and_bytes_past_a_shape_are_zero(cpu: Emulator) -> None:
    configure(cpu, {0: (3, 8)})
    memory = np.arange(1, 161, dtype=np.uint8).reshape(5, 32)
    cpu.do("tileloadd64", 0, address(memory), 32)
    assert (cpu.tile(0)[:3, :8] == memory[:3, :8]).all()
    assert not cpu.tile(0)[3:].any() and not cpu.tile(0)[:, 8:].any()
    out = np.zeros((5, 32), np.uint8)
    cpu.do("tilestored64", 0, address(out), 32)
    assert (out[:3, :8] == memory[:3, :8]).all()
    assert not out[3:].any() and not out[:, 8:].any()
    configure(cpu, {0: (3, 8)})
    assert not cpu.tile(0).any()


def test_products_of_a_smaller_shape(cpu: Emulator) -> None:
    """5 rows, 3 pairs of steps, 7 columns; added to what was there."""
    configure(cpu, {0: (5, 28), 1: (5, 12), 2: (3, 28)})
    random = np.random.RandomState(0)
    a, b, c = (random.randint(-9, 9, s).astype(np.float32) for s in ((5, 6), (6, 7), (5, 7)))
    load(cpu, 0, c)
    load(cpu, 1, bf16(a))
    load(cpu, 2, bf16(b.reshape(3, 2, 7).swapaxes(1, 2).reshape(3, 14)))
    cpu.do("tdpbf16ps", 0, 1, 2)
    out = np.zeros((5, 7), np.float32)
    cpu.do("tilestored64", 0, address(out), 28)
    assert not cpu.faults
    np.testing.assert_array_equal(out, a @ b + c)


def _dot(cpu: Emulator, c: float, a: list[float], b: list[float]) -> np.float32:
    """c + the dot product of one row and one column."""
    configure(cpu, {0: (1, 4), 1: (1, 2 * len(a)), 2: (len(a) // 2, 4)})
    load(cpu, 0, np.array([[c]], np.float32))
    load(cpu, 1, bf16(np.array([a])))
    load(cpu, 2, bf16(np.array(b).reshape(-1, 2)))
    cpu.do("tdpbf16ps", 0, 1, 2)
    out = np.zeros(1, np.float32)
    cpu.do("tilestored64", 0, address(out), 4)
    assert not cpu.faults
    return out[0]


def test_rounding_and_order(cpu: Emulator) -> None:
    """To nearest even, once for each product; even and odd steps have sums of their own."""
    large = 2.0**24
    assert _dot(cpu, large, [1, 0], [1, 0]) == large  # half a unit: to even
    assert _dot(cpu, large + 2, [1, 0], [1, 0]) == large + 4
    assert _dot(cpu, large, [1, 1], [1, 1]) == large + 2  # both, then to the sum
    assert _dot(cpu, 0, [large, 0, 1, 0, 1, 0], [1] * 6) == large  # one after the other
    assert _dot(cpu, 0, [large, 1, 0, 1, 0, 0], [1] * 6) == large + 2
    # Beyond half a unit by less than float64 holds: rounded once, it goes up.
    assert _dot(cpu, 0, [large, 0, 1 + 2**-7, 0], [1, 0, 1, 0]) == large + 2
    assert _dot(cpu, 0, [2.0**100, 0, 2.0**76, 0], [1] * 4) == 2.0**100


def test_denormals_count_as_zero(cpu: Emulator) -> None:
    tiny = float(np.finfo(np.float32).tiny)
    assert _dot(cpu, 0, [tiny, 0], [1, 0]) == tiny
    assert _dot(cpu, 0, [tiny / 2, 0], [2.0**20, 0]) == 0  # an operand
    assert _dot(cpu, 0, [2.0**20, 0], [tiny / 2, 0]) == 0
    assert _dot(cpu, 0, [tiny, 0], [0.5, 0]) == 0  # a product
    assert _dot(cpu, tiny / 2, [0, 0], [0, 0]) == 0  # a sum
    assert _dot(cpu, tiny * 1.5, [-tiny, 0], [1, 0]) == 0


def test_infinity_and_nan(cpu: Emulator) -> None:
    infinity = float("inf")
    assert _dot(cpu, 1, [infinity, 0], [1, 1]) == infinity
    assert np.isnan(_dot(cpu, 1, [infinity, 0], [0, 1]))
    assert np.isnan(_dot(cpu, 1, [infinity, -infinity], [1, 1]))
    assert _dot(cpu, 0, [3e38, 0, 3e38, 0], [1, 0, 1, 0]) == infinity


def test_what_is_outside_is_a_fault(cpu: Emulator) -> None:
    configure(cpu, {0: (4, 64)})
    data = np.zeros(4 * 64, np.uint8)
    cpu.regions.append((address(data), data.nbytes - 1))
    cpu.do("tilestored64", 0, address(data), 64)
    assert cpu.faults and "outside" in cpu.faults[0]
