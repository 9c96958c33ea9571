#pragma once
// A program inside a lab that runs: in its user, PID and mount namespaces, and in one of its network namespaces.

struct lab_join_options {
    /// The number of the lab host, as this process sees it.
    int lab_host;
    /// The number of a descriptor of the lab host that is a network namespace.
    int network;
    /// The program's path, its arguments with the name first, and a null pointer.
    char *const *arguments;
};

/// Runs a program in the lab and ends as it does. The program ends with the lab, and with this process.
///
/// The caller has a single thread: setns(2) refuses a user namespace to others.
///
/// Returns only if that is not possible: the name of the call that failed, with errno set.
const char *lab_join(const struct lab_join_options *options);
