"""Cycles that blocks of code take at least, by LLVM's tables of what a processor's units take in a cycle.

The tables follow Arm's Software Optimization Guides. `llvm-mca` adds up what a block asks of each unit; the busiest one
gives its cycles ("Block RThroughput"). Caches, latencies and wrong guesses of branches do not count: this is a lower
bound, good for comparing loops and not for telling time."""

import re
import shutil
import subprocess

# The emulated processor, and the model of LLVM 19 that stands for it.
MODELS = {"cortex-a53": "cortex-a53", "cortex-a72": "cortex-a72", "cortex-a76": "neoverse-n1"}
# Share of the instructions that is weighed; the rest, spread over thousands of blocks, is taken to be alike.
COVERED = 0.995
SENTINEL = "hint\t#85"
SENTINEL_WORD = 0xD503201F | 85 << 5
# As many regions as a call of llvm-mca takes at ease.
BATCH = 400


def tools():
    """`llvm-mca` and `llvm-mc` that know the models, or None."""
    for version in (22, 21, 20, 19):
        found = [shutil.which(f"{name}-{version}") for name in ("llvm-mca", "llvm-mc")]
        if all(found):
            return found
    return None


def assembly(llvm_mc, words):
    """The text of each instruction; none for what the disassembler does not know."""
    lines = []
    for word in words:
        for value in (word, SENTINEL_WORD):
            lines.append(" ".join(f"0x{byte:02x}" for byte in value.to_bytes(4, "little")))
    command = [llvm_mc, "--disassemble", "-triple=aarch64", "-mattr=+all"]
    output = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=True).stdout
    texts, current = [], ""
    for line in output.splitlines():
        line = line.strip()
        if line == SENTINEL:
            texts.append(current)
            current = ""
        elif line and not line.startswith("."):
            current = line
    return dict(zip(words, texts, strict=True))


def block_cycles(llvm_mca, model, texts, blocks):
    """Cycles of each block."""
    result = []
    for start in range(0, len(blocks), BATCH):
        batch = blocks[start : start + BATCH]
        regions = []
        for at, words in enumerate(batch):
            regions += [f"# LLVM-MCA-BEGIN {at}", *(texts[word] for word in words if texts[word]), "nop", "# LLVM-MCA-END"]
        command = [llvm_mca, "-mtriple=aarch64", f"-mcpu={model}", "-mattr=+all", "--skip-unsupported-instructions=any"]
        command += ["--iterations=1", "--instruction-info=0", "--resource-pressure=0"]
        output = subprocess.run(command, input="\n".join(regions) + "\n", capture_output=True, text=True, check=True).stdout
        values = [float(value) for value in re.findall(r"^Block RThroughput: ([0-9.]+)", output, re.MULTILINE)]
        if len(values) != len(batch):
            raise RuntimeError(f"llvm-mca weighed {len(values)} of {len(batch)} blocks")
        result += values
    return result


def cycles(found, processor, blocks):
    """Cycles of `[(runs, words)]` on a processor."""
    llvm_mca, llvm_mc = found
    blocks = sorted(blocks, key=lambda block: -block[0] * len(block[1]))
    total = sum(runs * len(words) for runs, words in blocks)
    covered, hot = 0, []
    for runs, words in blocks:
        if covered >= COVERED * total:
            break
        covered += runs * len(words)
        hot.append((runs, words))
    texts = assembly(llvm_mc, sorted({word for _, words in hot for word in words}))
    weighed = block_cycles(llvm_mca, MODELS[processor], texts, [words for _, words in hot])
    return sum(runs * value for (runs, _), value in zip(hot, weighed)) * total / covered
