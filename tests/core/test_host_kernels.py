"""Large host draws by native code: NumPy's bits, and PyTorch's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import ml_dtypes
import numpy as np
import pytest

from plait.core.codegen.host_draws import normal_kernel, uniform_kernel
from plait.core.llvm.target import target
from plait.core.runtime import host_kernels, kernels
from plait.core.runtime import host_random as hr
from plait.core.runtime.generator import Generator

SIZES = (1, 15, 16, 17, 31, 4096, 5003)
BF16 = np.dtype(ml_dtypes.bfloat16)
LARGE = host_kernels.FROM * 2 + 5
#: First digits of the SHA-256 of what PyTorch 2.13 draws on x86-64 after manual_seed(11).
DIGESTS: dict[str, tuple[Callable[[Generator], np.ndarray], str]] = {
    "randn": (lambda g: hr.normal(g, LARGE), "5443cc2871d95855"),
    "normal": (lambda g: hr.normal(g, LARGE, np.float32, -1.5, 0.3), "87b193b35075a2aa"),
    "rand": (lambda g: hr.uniform(g, LARGE), "1efe024bf292b19e"),
    "uniform": (lambda g: hr.uniform(g, LARGE, np.float32, -0.3, 0.7), "25671363c9fcce58"),
    "half randn": (lambda g: hr.normal(g, LARGE, np.float16), "5d25d100cd0a0c7d"),
    "bfloat16 randn": (lambda g: hr.normal(g, LARGE, BF16), "48ddbb3de5f6017a"),
    "half uniform": (lambda g: hr.uniform(g, LARGE, np.float16, -1, 3), "c3a2c07d8bd8ad90"),
    "bfloat16 rand": (lambda g: hr.uniform(g, LARGE, BF16), "73e791dbccb8a871"),
}


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Runs a draw on NumPy and on native code, from the same state; asserts that it left one."""

    def run(draw: Callable[[Generator], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        found, states = [], []
        for start in (1 << 62, 0):
            monkeypatch.setattr(host_kernels, "FROM", start)
            generator = Generator().manual_seed(7)
            found.append(draw(generator))
            states.append(generator.get_state())
        np.testing.assert_array_equal(*states)
        return found[0], found[1]

    yield run


@pytest.mark.parametrize("isa", ("", "avx2", "generic"))
@pytest.mark.parametrize("moments", [(0, 1), (0.3, 1.7), (5, 0), (-1e3, 1e-3)])
def test_normals_are_numpys(both, moments, isa, monkeypatch) -> None:
    monkeypatch.setenv("PLAIT_ISA", isa)
    for size in SIZES:
        plain, native = both(lambda g, size=size: hr.normal(g, size, np.float32, *moments))
        assert plain.tobytes() == native.tobytes()


@pytest.mark.parametrize("isa", ("", "avx2", "generic"))
@pytest.mark.parametrize(
    "bounds", [(0, 1), (-0.3, 0.7), (1, 1.0000002), (-1.7, 3.3), (2, 2), (-3e38, 3e37)]
)
def test_uniforms_are_numpys(both, bounds, isa, monkeypatch) -> None:
    monkeypatch.setenv("PLAIT_ISA", isa)
    for size in SIZES:
        plain, native = both(lambda g, size=size: hr.uniform(g, size, np.float32, *bounds))
        assert plain.tobytes() == native.tobytes()
        assert bounds[0] == bounds[1] or (native < np.float32(bounds[1])).all()


@pytest.mark.parametrize("name", DIGESTS)
def test_large_draws_are_pytorchs(name: str) -> None:
    draw, digest = DIGESTS[name]
    values = draw(Generator().manual_seed(11))
    assert hashlib.sha256(values.tobytes()).hexdigest()[:16] == digest


@pytest.mark.parametrize("isa", ("", "avx2", "generic"))
@pytest.mark.parametrize("before", [0, 1, 623, 624, 625])
def test_words_are_numpys(both, before, isa, monkeypatch) -> None:
    """Whatever part of a block is left, and however many blocks follow."""
    monkeypatch.setenv("PLAIT_ISA", isa)
    for count in (1, 623, 624, 625, 1249, 20_000):
        for start in (before, 624 - count % 624):

            def draw(g: Generator, start: int = start, count: int = count) -> np.ndarray:
                plain, host_kernels.FROM = host_kernels.FROM, 1 << 62
                g.words32(start)
                host_kernels.FROM = max(plain, 624)
                return np.concatenate([g.words32(count), g.words32(700)])

            plain, native = both(draw)
            assert plain.tobytes() == native.tobytes()


def test_native_code_is_what_draws_them(monkeypatch: pytest.MonkeyPatch) -> None:
    words = np.arange(64, dtype=np.uint32)
    assert host_kernels.normals(words, 0, 1) is not None
    assert host_kernels.twist(np.empty(624, np.uint32), np.ones(624, np.uint32))
    monkeypatch.setenv("PLAIT_BACKEND", "reference")
    assert host_kernels.normals(words, 0, 1) is None
    assert not host_kernels.twist(np.empty(624, np.uint32), np.ones(624, np.uint32))


def test_without_the_kernels_numpy_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise kernels.KernelRefused([uniform_kernel(), normal_kernel()])

    monkeypatch.setattr(kernels, "addresses", refuse)
    host_kernels._loaded.cache_clear()
    try:
        draw, digest = DIGESTS["randn"]
        values = draw(Generator().manual_seed(11))
        assert hashlib.sha256(values.tobytes()).hexdigest()[:16] == digest
    finally:
        host_kernels._loaded.cache_clear()


def test_kernels_keep_to_their_units() -> None:
    """A part of the units is what all of them make there; other values stay."""
    words = Generator().manual_seed(0).words32(160)
    found = kernels.addresses([normal_kernel()], target(""))
    assert set(found) == {normal_kernel()}
    whole = host_kernels.normals(words.copy(), 0, 1)
    part = host_kernels.normals(words.copy()[: 170 // 16 * 16 - 8], 0, 1)
    assert whole is not None and part is not None
    assert part[:144].tobytes() == whole[:144].tobytes()
    assert part[144:].tobytes() == words[144:152].tobytes()
