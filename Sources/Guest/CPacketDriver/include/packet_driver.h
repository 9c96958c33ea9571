#pragma once

#include <stddef.h>

/// A compiled BPF object: an ELF file in memory that lives as long as the program.
struct packet_driver_image {
    const unsigned char *bytes;
    size_t length;
};

/// `selftest.bpf.o`, which only checks and measurements need: it brings a packet into a state in which only a device
/// could hand it over, then tail-calls the program under test.
struct packet_driver_image packet_driver_image(void);
