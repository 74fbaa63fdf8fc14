"""Cuts a grey PGM out of an 8-bit RGB PNG: cut.py PNG X Y WIDTH HEIGHT OUT. Only what that needs, without a package."""

import struct
import sys
import zlib


def rows(data, count):
    """The first `count` unfiltered rows (PNG specification, section 9)."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n", "no PNG"
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
    assert (depth, colour, interlace) == (8, 2, 0), "not 8-bit RGB"
    packed, at = b"", 8
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        if kind == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += length + 12
    stride = width * 3
    raw = zlib.decompressobj().decompress(packed, (stride + 1) * min(count, height))
    above = bytearray(stride)
    for y in range(min(count, height)):
        start = y * (stride + 1)
        kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for i in range(stride):
            left = row[i - 3] if i >= 3 else 0
            corner = above[i - 3] if i >= 3 else 0
            up = above[i]
            if kind == 1:
                guess = left
            elif kind == 2:
                guess = up
            elif kind == 3:
                guess = (left + up) // 2
            elif kind == 4:
                estimate = left + up - corner
                guess = min((abs(estimate - left), 0, left), (abs(estimate - up), 1, up), (abs(estimate - corner), 2, corner))[2]
            else:
                break
            row[i] = (row[i] + guess) & 255
        yield row
        above = row


def main():
    path, x, y, width, height, out = sys.argv[1], *map(int, sys.argv[2:6]), sys.argv[6]
    with open(path, "rb") as file:
        data = file.read()
    grey = bytearray()
    for row in list(rows(data, y + height))[y:]:
        pixels = row[x * 3 : (x + width) * 3]
        # Rec. 601 luma.
        grey += bytes((299 * pixels[i] + 587 * pixels[i + 1] + 114 * pixels[i + 2]) // 1000 for i in range(0, width * 3, 3))
    with open(out, "wb") as file:
        file.write(b"P5\n%d %d\n255\n" % (width, height) + grey)


main()
