"""Makes films for emulated boards out of two grey pictures: film.py ROOM.pgm FACE.pgm DIR. Run by scripts/test-pi.

`room.y4m` is the room with a camera's noise; in `visitor.y4m` the face goes round in a circle in it, a pixel and a half
from frame to frame; `still.y4m` is one frame of that, again and again; `hour.y4m` has somebody in one frame of eight, and
a frame every two seconds. Only what that needs, without a package."""

import math
import random
import sys
from pathlib import Path

FRAMES = 60
RATE = "15:1"
# Frames of a film that is to fill an hour soon, and their rate.
HOUR = 40
HOUR_RATE = "1:2"
# Pictures of the room that differ by noise alone; frames take turns.
NOISES = 4
NOISE = 6
# Side of the face's picture in the film, in pixels.
SIDE = 240


def read(path):
    """Width, height and pixels of a PGM as scripts/pi/cut.py writes it."""
    magic, size, most, pixels = Path(path).read_bytes().split(b"\n", 3)
    assert (magic, most) == (b"P5", b"255"), "no PGM of 8 bits"
    width, height = map(int, size.split())
    return width, height, pixels


def enlarged(width, height, pixels):
    """The rows of a picture as a square of SIDE pixels, between whose pixels is what lies between them."""
    rows = []
    for y in range(SIDE):
        v = y * (height - 1) / (SIDE - 1)
        upper, below = int(v), min(int(v) + 1, height - 1)
        row = bytearray()
        for x in range(SIDE):
            u = x * (width - 1) / (SIDE - 1)
            left, right = int(u), min(int(u) + 1, width - 1)
            mix = lambda line: pixels[line * width + left] * (1 - u % 1) + pixels[line * width + right] * (u % 1)
            row.append(round(mix(upper) * (1 - v % 1) + mix(below) * (v % 1)))
        rows.append(bytes(row))
    return rows


def noisy(pixels, seed):
    generator = random.Random(seed)
    noise = [generator.randint(-NOISE, NOISE) for _ in range(4099)]
    return bytes(min(255, max(0, pixel + noise[at % 4099])) for at, pixel in enumerate(pixels))


def place(at):
    """Left upper corner of the face's picture in a frame."""
    return 200 + round(30 * math.sin(at / 20)), 120 + round(30 * math.cos(at / 20))


def write(folder, name, size, frames, rate=RATE):
    """`frames` are pixels."""
    with open(folder / f"{name}.y4m", "wb") as film:
        film.write(f"YUV4MPEG2 W{size[0]} H{size[1]} F{rate} Cmono\n".encode())
        for pixels in frames:
            film.write(b"FRAME\n" + pixels)


def main():
    room, face, folder = sys.argv[1:4]
    width, height, pixels = read(room)
    rows = enlarged(*read(face))
    rooms = [noisy(pixels, seed) for seed in range(NOISES)]

    def visited(at):
        left, top = place(at)
        frame = bytearray(rooms[at % NOISES])
        for y, row in enumerate(rows):
            start = (top + y) * width + left
            frame[start : start + SIDE] = row
        return bytes(frame)

    def empty(at):
        return rooms[at % NOISES]

    folder = Path(folder)
    write(folder, "room", (width, height), map(empty, range(FRAMES)))
    write(folder, "visitor", (width, height), map(visited, range(FRAMES)))
    still = visited(0)
    write(folder, "still", (width, height), (still for _ in range(FRAMES)))
    write(folder, "hour", (width, height), ((empty if at < HOUR * 7 // 8 else visited)(at) for at in range(HOUR)), HOUR_RATE)


main()
