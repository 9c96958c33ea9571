#pragma once
// The entry of a lab by a process with a single thread: new user, network, mount and PID namespaces around the lab
// host.

/// Where the entry failed. The number crosses a pipe, so new stages are only appended.
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
    /// An existing directory on which a tmpfs private to this lab is mounted.
    const char *mount_point;
    /// The read end of a pipe whose other end the outer process holds. When it hangs up, the lab ends.
    int lifeline;
    /// The write end of the pipe that gets one `struct lab_entry_report`.
    int report;
    /// Every descriptor from this number on is closed.
    unsigned first_unused;
    /// The user and group id inside. It is not 0, because libvirt would then believe itself privileged.
    unsigned inner_id;
};

/// Splits the calling process, which must have a single thread, into the lab's three. The caller waits for PID 1 of the
/// new namespaces, PID 1 reaps, and PID 2 returns 0 from this function. The other two never return; the caller ends as
/// PID 2 ended, with the same exit code or signal. A failure is sent over `report`, and the process exits with 3.
int lab_entry_enter(const struct lab_entry_options *options);
