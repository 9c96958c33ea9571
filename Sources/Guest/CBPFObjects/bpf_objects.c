#include "bpf_objects.h"

// #embed is C23; the package is C11, and clang takes it there as an extension.
#pragma clang diagnostic ignored "-Wc23-extensions"

#if !__has_embed("../../../.build-bpf/lxc.bpf.o") || !__has_embed("../../../.build-bpf/overlay.bpf.o") || \
    !__has_embed("../../../.build-bpf/host.bpf.o") || !__has_embed("../../../.build-bpf/sock.bpf.o")
#error "the BPF objects are not compiled: run `make -C bpf` in the repository first"
#else

#define ALIGNED __attribute__((aligned(8)))

static const unsigned char lxc[] ALIGNED = {
#embed "../../../.build-bpf/lxc.bpf.o"
};

static const unsigned char overlay[] ALIGNED = {
#embed "../../../.build-bpf/overlay.bpf.o"
};

static const unsigned char host[] ALIGNED = {
#embed "../../../.build-bpf/host.bpf.o"
};

static const unsigned char sock[] ALIGNED = {
#embed "../../../.build-bpf/sock.bpf.o"
};

struct bpf_object_image bpf_objects_lxc(void) {
    return (struct bpf_object_image){"lxc", lxc, sizeof(lxc)};
}

struct bpf_object_image bpf_objects_overlay(void) {
    return (struct bpf_object_image){"overlay", overlay, sizeof(overlay)};
}

struct bpf_object_image bpf_objects_host(void) {
    return (struct bpf_object_image){"host", host, sizeof(host)};
}

struct bpf_object_image bpf_objects_sock(void) {
    return (struct bpf_object_image){"sock", sock, sizeof(sock)};
}

#endif
