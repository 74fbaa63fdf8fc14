// An ATmega328P in the simulator simavr, with its serial port as a terminal: board FIRMWARE.elf
// Prints the terminal's name first, then each change of pin 13, which is bit 5 of port B. Runs until it is killed.
#include <stdio.h>
#include <string.h>

#include <simavr/avr_ioport.h>
#include <simavr/parts/uart_pty.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

static void pin_changed(struct avr_irq_t *irq, uint32_t level, void *unused) {
  (void)irq;
  (void)unused;
  printf("pin 13 %s\n", level ? "high" : "low");
  fflush(stdout);
}

int main(int count, char **words) {
  elf_firmware_t firmware;
  memset(&firmware, 0, sizeof firmware);
  if (count != 2 || elf_read_firmware(words[1], &firmware) != 0) {
    fprintf(stderr, "usage: board FIRMWARE.elf\n");
    return 64;
  }
  firmware.frequency = 16000000;
  avr_t *avr = avr_make_mcu_by_name("atmega328p");
  if (!avr) {
    return 69;
  }
  avr_init(avr);
  avr_load_firmware(avr, &firmware);
  avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('B'), 5), pin_changed, NULL);
  uart_pty_t port;
  memset(&port, 0, sizeof port);
  uart_pty_init(avr, &port);
  uart_pty_connect(&port, '0');
  printf("terminal %s\n", port.pty.slavename);
  fflush(stdout);
  for (int state = cpu_Running; state != cpu_Done && state != cpu_Crashed;) {
    state = avr_run(avr);
  }
  return 70;
}
