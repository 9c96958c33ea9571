#pragma once

#include <stddef.h>

/// A compiled BPF object: an ELF file in memory that lives as long as the program.
struct bpf_object_image {
    const char *name;
    const unsigned char *bytes;
    size_t length;
};

/// `lxc.bpf.o`: from_container, to_container.
struct bpf_object_image bpf_objects_lxc(void);

/// `overlay.bpf.o`: from_overlay, to_overlay.
struct bpf_object_image bpf_objects_overlay(void);

/// `host.bpf.o`: from_host, from_netdev.
struct bpf_object_image bpf_objects_host(void);

/// `sock.bpf.o`: sock_connect4, sock_sendmsg4, sock_recvmsg4, sock_getpeername4.
struct bpf_object_image bpf_objects_sock(void);
