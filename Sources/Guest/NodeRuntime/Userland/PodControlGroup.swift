import Glibc
import LinuxKernel
import NodeProtocol

/// The control group of a pod's programs: whatever they started ends with it.
struct PodControlGroup: Sendable {
    private static let base = "/sys/fs/cgroup/labrun"

    let path: String

    init(_ pod: PodReference) { path = "\(Self.base)/\(pod.namespace)_\(pod.name)" }

    func make() throws(SystemError) {
        makeDirectories(path)
        guard access(path + "/cgroup.procs", F_OK) == 0 else { throw .last("mkdir", path) }
    }

    /// Kills every process in it and waits for their end; false when some are left.
    func kill(until deadline: Deadline) -> Bool {
        while let processes = try? readTextFile(path + "/cgroup.procs") {
            let numbers = processes.split(separator: "\n").compactMap { Int32($0) }
            if numbers.isEmpty { return true }
            // cgroup.kill came with 5.14: one by one, again and again, works everywhere.
            for number in numbers where number > 0 { Glibc.kill(number, SIGKILL) }
            if deadline.hasPassed { return false }
            poll(nil, 0, 1)
        }
        return true
    }

    func remove() { rmdir(path) }
}
