import Files
import Glibc
import LinuxKernel
import NodeProtocol

/// The control group of a pod's programs. Whatever they have started ends with it.
struct PodControlGroup: Sendable {
    private static let base = "/sys/fs/cgroup/labrun"

    let path: String

    init(_ pod: PodReference) { path = "\(Self.base)/\(pod.namespace)_\(pod.name)" }

    func make() throws(SystemError) {
        try? Directories.make(path)
        guard access(path + "/cgroup.procs", F_OK) == 0 else { throw .last("mkdir", path) }
    }

    /// Kills every process of the group and waits until all have ended.
    ///
    /// - Returns: false when some are left at the deadline.
    func kill(until deadline: Deadline) -> Bool {
        while let processes = try? readTextFile(path + "/cgroup.procs") {
            let numbers = processes.split(separator: "\n").compactMap { Int32($0) }
            if numbers.isEmpty { return true }
            // `cgroup.kill` came with Linux 5.14. To kill one process after the other until none is left works on all
            // kernels.
            for number in numbers where number > 0 { Glibc.kill(number, SIGKILL) }
            if deadline.hasPassed { return false }
            poll(nil, 0, 1)
        }
        return true
    }

    func remove() { rmdir(path) }
}
