#include "packet_driver.h"

// #embed is C23; the package is C11, and clang takes it there as an extension.
#pragma clang diagnostic ignored "-Wc23-extensions"

#if !__has_embed("../../../.build-bpf/selftest.bpf.o")
#error "the BPF objects are not compiled: run `make -C bpf` in the repository first"
#else

static const unsigned char selftest[] __attribute__((aligned(8))) = {
#embed "../../../.build-bpf/selftest.bpf.o"
};

struct packet_driver_image packet_driver_image(void) {
    return (struct packet_driver_image){selftest, sizeof(selftest)};
}

#endif
