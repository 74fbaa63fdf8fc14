/* A plugin for qemu-system-aarch64 that counts how often each block of the guest's code runs.
 *
 * usage: -plugin FILE.so,out=PATH
 *
 * Whenever the guest runs the instruction MARK, which no processor gives a meaning, the blocks that ran since the last
 * time are appended to PATH: a line `mark`, then `COUNT WORD WORD ...` for each, its instructions in hexadecimal. Blocks with the same
 * instructions are one, wherever they lie. For a board with one processor.
 *
 * What is used of QEMU's plugin interface, version 4, is declared here: Debian packs no header for it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;
typedef struct {
  struct qemu_plugin_scoreboard *score;
  size_t offset;
} counter;
enum { ADD_U64 = 0, NO_REGISTERS = 0 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t at);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction, void *to, size_t length);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*translate)(plugin_id, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *block, int operation, counter entry, uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *instruction, void (*run)(unsigned, void *), int registers, void *data);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
uint64_t qemu_plugin_u64_sum(counter entry);

__attribute__((visibility("default"))) int qemu_plugin_version = 4;

enum { MARK = 0xd5032adf, SLOTS = 1 << 20, LONGEST = 512 };

struct block {
  uint64_t seen;
  uint32_t length;
  uint32_t words[];
};

static struct block *blocks[SLOTS];
static struct qemu_plugin_scoreboard *counts;
static FILE *out;

/* The slot of a block, new or known; SLOTS where the table is full. */
static size_t slot(const uint32_t *words, uint32_t length) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint32_t at = 0; at < length; at++)
    hash = (hash ^ words[at]) * 0x100000001b3u;
  hash ^= hash >> 29;
  for (size_t tries = 0; tries < SLOTS; tries++) {
    size_t at = (hash + tries) % SLOTS;
    struct block *known = blocks[at];
    if (known && known->length == length && !memcmp(known->words, words, length * sizeof *words))
      return at;
    if (known)
      continue;
    struct block *made = malloc(sizeof *made + length * sizeof *words);
    if (!made)
      return SLOTS;
    made->seen = 0;
    made->length = length;
    memcpy(made->words, words, length * sizeof *words);
    blocks[at] = made;
    return at;
  }
  return SLOTS;
}

static counter count_of(size_t at) {
  return (counter){counts, at * sizeof(uint64_t)};
}

static void mark(unsigned processor, void *data) {
  (void)processor, (void)data;
  fputs("mark\n", out);
  for (size_t at = 0; at < SLOTS; at++) {
    struct block *known = blocks[at];
    uint64_t count = known ? qemu_plugin_u64_sum(count_of(at)) : 0;
    if (!known || count == known->seen)
      continue;
    fprintf(out, "%llu", (unsigned long long)(count - known->seen));
    known->seen = count;
    for (uint32_t word = 0; word < known->length; word++)
      fprintf(out, " %08x", known->words[word]);
    fputc('\n', out);
  }
  fflush(out);
}

static void translate(plugin_id id, struct qemu_plugin_tb *block) {
  (void)id;
  uint32_t words[LONGEST];
  uint32_t length = 0;
  for (size_t at = 0; at < qemu_plugin_tb_n_insns(block) && length < LONGEST; at++) {
    struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, at);
    if (qemu_plugin_insn_data(instruction, &words[length], sizeof *words) != sizeof *words)
      continue;
    if (words[length++] == MARK)
      qemu_plugin_register_vcpu_insn_exec_cb(instruction, mark, NO_REGISTERS, NULL);
  }
  size_t at = slot(words, length);
  if (at < SLOTS)
    qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block, ADD_U64, count_of(at), 1);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id, const void *machine, int length, char **arguments) {
  (void)machine;
  for (int at = 0; at < length; at++)
    if (!strncmp(arguments[at], "out=", 4))
      out = fopen(arguments[at] + 4, "w");
  if (!out)
    return 1;
  counts = qemu_plugin_scoreboard_new(SLOTS * sizeof(uint64_t));
  qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
  return 0;
}
