"""Values as data in one file: structures as JSON, arrays apart and each only once.

A pack is a zip: `entries.json` holds the entries by label, `<dtype>.bin` the elements of all arrays
of a dtype, with their first bytes first, then their second ones, which halves what LZMA makes of
floats. `python -m tests.parity.record` writes packs under real PyTorch; the tests only read them.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).with_name("expected")

#: Of a zip's members, so that equal contents make equal files.
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


class Pack:
    """Entries by label, and the arrays that they name: `{"array": [dtype, shape, offset]}`."""

    def __init__(self) -> None:
        self.entries: dict[str, Any] = {}
        self._elements: dict[str, list[np.ndarray]] = {}
        self._held: dict[str, int] = {}
        self._places: dict[tuple[str, bytes], int] = {}

    def put(self, array: np.ndarray) -> dict[str, Any]:
        """Keep an array; what names it in an entry."""
        kind = array.dtype.name
        flat = np.ascontiguousarray(array).reshape(-1)
        place = self._places.get((kind, flat.tobytes()))
        if place is None:
            place = self._held.get(kind, 0)
            self._places[(kind, flat.tobytes())] = place
            self._elements.setdefault(kind, []).append(flat)
            self._held[kind] = place + flat.size
        return {"array": [kind, list(array.shape), place]}

    def get(self, name: dict[str, Any]) -> np.ndarray:
        """The array of a name, writable."""
        kind, shape, place = name["array"]
        if len(self._elements[kind]) > 1:
            self._elements[kind] = [np.concatenate(self._elements[kind])]
        (elements,) = self._elements[kind]
        count = int(np.prod(shape))
        return elements[place : place + count].reshape(shape).copy()

    def elements(self) -> int:
        """How many elements all arrays have."""
        return sum(self._held.values())

    def take(self, entry: Any, other: Pack) -> Any:
        """An entry of another pack as one of this: its arrays are put here."""
        if isinstance(entry, dict):
            if list(entry) == ["array"]:
                return self.put(other.get(entry))
            return {key: self.take(part, other) for key, part in entry.items()}
        return [self.take(part, other) for part in entry] if isinstance(entry, list) else entry

    def write(self, path: Path) -> None:
        """Write the file."""
        path.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
            lines = ",\n".join(
                f"{json.dumps(label)}:{json.dumps(entry, separators=(',', ':'))}"
                for label, entry in self.entries.items()
            )
            _add(file, "entries.json", ("{" + lines + "}").encode())
            for kind in sorted(self._elements):
                whole = np.concatenate(self._elements[kind])
                _add(file, f"{kind}.bin", by_planes(whole))

    @classmethod
    def read(cls, path: Path) -> Pack:
        """The pack of a file."""
        pack = cls()
        with zipfile.ZipFile(path) as file:
            pack.entries = json.loads(file.read("entries.json"))
            for name in file.namelist():
                kind, _, ending = name.partition(".")
                if ending == "bin":
                    pack._elements[kind] = [from_planes(file.read(name), np.dtype(kind))]
        return pack


def _add(file: zipfile.ZipFile, name: str, content: bytes) -> None:
    member = zipfile.ZipInfo(name, _LONG_AGO)
    member.compress_type = zipfile.ZIP_LZMA
    file.writestr(member, content)


def by_planes(flat: np.ndarray) -> bytes:
    """The bytes of an array's elements, sorted by their place in an element."""
    return flat.view(np.uint8).reshape(-1, flat.itemsize).T.tobytes()


def from_planes(content: bytes, dtype: np.dtype) -> np.ndarray:
    """What `by_planes` made the bytes of."""
    planes = np.frombuffer(content, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(planes.T).reshape(-1).view(dtype)
