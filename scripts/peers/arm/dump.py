"""What the plugin of scripts/peers/arm/blocks.c writes."""


class Dump:
    """The blocks of code that ran on a board, from mark to mark."""

    def __init__(self, path):
        self.path, self.read = path, 0

    def section(self):
        """What ran before the newest mark: `[(runs, words)]`."""
        with open(self.path) as dump:
            dump.seek(self.read)
            text = dump.read()
            self.read = dump.tell()
        blocks = []
        for line in text.rpartition("mark\n")[2].splitlines():
            runs, *words = line.split()
            blocks.append((int(runs), tuple(int(word, 16) for word in words)))
        return blocks
