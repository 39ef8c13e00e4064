"""Draws the badge of a word: a small symmetric pattern, the same one for the same word.

The pictures are PNG files, written with the standard library alone.
"""

import hashlib
import struct
import tempfile
import zlib

from cog import BasePredictor, Input, Path

CELLS = 5
PAPER = (240, 240, 240)


class Predictor(BasePredictor):
    def predict(
        self,
        word: str = Input(description="What the badge stands for"),
        count: int = Input(description="How many badges to choose from", ge=1, le=10, default=1),
        size: int = Input(description="Width and height in pixels", ge=CELLS, le=2000, default=250),
    ) -> list[Path]:
        # The server takes the files from here, and they go with the folder when the next prediction begins.
        self.folder = tempfile.TemporaryDirectory()
        return [self.draw(word, number, size) for number in range(1, count + 1)]

    def draw(self, word: str, number: int, size: int) -> Path:
        path = Path(self.folder.name) / f"badge-{number}.png"
        path.write_bytes(png(pattern(f"{word} {number}"), size))
        print(f"drew {path.name}")
        return path


def pattern(text: str) -> list[list[tuple[int, int, int]]]:
    """The colour of each cell. The right half mirrors the left one."""
    digest = hashlib.sha256(text.encode()).digest()
    ink = tuple(byte // 2 for byte in digest[:3])
    half = (CELLS + 1) // 2
    bits = [byte % 2 for byte in digest[3 : 3 + half * CELLS]]
    rows = [bits[start : start + half] for start in range(0, half * CELLS, half)]
    return [[ink if bit else PAPER for bit in row + row[CELLS - half - 1 :: -1]] for row in rows]


def png(cells: list[list[tuple[int, int, int]]], size: int) -> bytes:
    """A PNG file of eight bits for each of red, green and blue."""
    lines = []
    for y in range(size):
        row = cells[y * CELLS // size]
        # Each line begins with the number of its filter: none.
        lines.append(b"\0" + b"".join(bytes(row[x * CELLS // size]) for x in range(size)))
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"".join(lines))), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
