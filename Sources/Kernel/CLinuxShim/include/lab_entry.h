#pragma once
// The single-threaded entry of a lab: fresh user, network, mount and PID namespaces around the lab host.

/// Where the entry failed. Append only: the number crosses a pipe.
enum lab_entry_stage {
    LAB_ENTRY_UNSHARE_USER = 1,
    LAB_ENTRY_ID_MAP = 2,
    LAB_ENTRY_UNSHARE_OTHERS = 3,
    LAB_ENTRY_CAPABILITIES = 4,
    LAB_ENTRY_FORK = 5,
    LAB_ENTRY_MOUNT_PRIVATE = 6,
    LAB_ENTRY_MOUNT_PROC = 7,
    LAB_ENTRY_MOUNT_SYS = 8,
    LAB_ENTRY_MOUNT_LAB = 9,
    LAB_ENTRY_LOOPBACK = 10,
    LAB_ENTRY_REPORT = 11,
};

/// Sent once over the report pipe; `stage` 0 is success.
struct lab_entry_report {
    int stage;
    int error;
};

struct lab_entry_options {
    /// Existing directory that gets a tmpfs, private to this lab.
    const char *mount_point;
    /// Read end of a pipe whose other end the outer process holds: hang-up ends the lab.
    int lifeline;
    /// Write end of the pipe that gets one `struct lab_entry_report`.
    int report;
    /// Every descriptor from this number on is closed.
    unsigned first_unused;
    /// User and group id inside. Not 0: libvirt would believe itself privileged.
    unsigned inner_id;
};

/// Splits the calling process, which must have a single thread, into the lab's three: the caller waits for PID 1 of the
/// new namespaces, PID 1 reaps, and PID 2 returns 0 from this function. The other two never return; the caller ends as
/// PID 2 ended, by the same exit code or signal. A failure is sent over `report` and the process exits with 3.
int lab_entry_enter(const struct lab_entry_options *options);
