"""Lets a patch of Pure Data print what its number boxes show: show_numbers.py PATCH PORT, the new patch on standard output.

PORT takes the place of FaceOSC's. Each box prints under its own label.
"""

import re
import sys

patch = open(sys.argv[1], encoding="utf-8").read().replace(" 8338;", f" {sys.argv[2]};")
# Objects have numbers, in the order in which they stand.
objects = re.findall(r"^#X (obj|msg|text|floatatom|symbolatom|restore) ([^;]*);", patch, re.MULTILINE)
boxes = [(number, words.split()[6]) for number, (kind, words) in enumerate(objects) if kind == "floatatom"]
if not boxes:
    sys.exit(f"{sys.argv[1]} has no number boxes")
more = [f"#X obj 10 10 print {label};" for _, label in boxes]
more += [f"#X connect {number} 0 {len(objects) + at} 0;" for at, (number, _) in enumerate(boxes)]
print(patch.rstrip() + "\n" + "\n".join(more))
