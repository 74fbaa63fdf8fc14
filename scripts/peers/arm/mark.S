// The program that tells the plugin in blocks.c to write what it has counted, and ends.
    .globl _start
_start:
    .inst 0xd5032adf
    mov x0, #0
    mov x8, #93
    svc #0
