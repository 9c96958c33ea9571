import Files
import Glibc
import Kubelet
import LinuxKernel

/// Control groups of pods and their containers (cgroup v2): `kubepods/podUID/CONTAINER`.
struct ContainerGroups: Sendable {
    static let base = "/sys/fs/cgroup/kubepods"
    private static let controllers = ["+memory", "+cpu", "+pids"]

    static func path(_ pod: PodIdentity) -> String { "\(base)/pod\(pod.uid)" }
    static func path(_ container: ContainerIdentity) -> String {
        path(container.pod) + "/" + container.name + "-" + container.id.prefix(12)
    }

    /// Makes a pod's group and writes its values. What the kernel does not have, such as the memory controller where it
    /// is switched off, is left out.
    static func makePod(_ pod: PodIdentity, _ values: [ControlGroupValue]) {
        let own = path(pod)
        try? Directories.make(own)
        for place in ["/sys/fs/cgroup", base, own] {
            for controller in controllers { try? writeTextFile(place + "/cgroup.subtree_control", controller) }
        }
        write(values, to: own)
    }

    /// Makes a container's group.
    /// - Throws: `SystemError` when there can be none: its programs could not be ended reliably.
    static func make(_ container: ContainerIdentity, _ values: [ControlGroupValue]) throws(SystemError) -> String {
        let own = path(container)
        try? Directories.make(own)
        guard access(own + "/cgroup.procs", F_OK) == 0 else { throw .last("mkdir", own) }
        write(values, to: own)
        return own
    }

    private static func write(_ values: [ControlGroupValue], to group: String) {
        for value in values where !value.file.contains("/") {
            try? writeTextFile("\(group)/\(value.file)", value.value)
        }
    }

    /// Whether the kernel has killed a process of the group for want of memory.
    static func wasOutOfMemory(_ group: String) -> Bool {
        let lines = (try? readTextFile(group + "/memory.events"))?.split(separator: "\n") ?? []
        return lines.contains { $0.hasPrefix("oom_kill ") && $0 != "oom_kill 0" }
    }

    /// Bytes of the working set of a group's programs, or nil where the kernel does not count.
    static func workingSet(_ group: String) -> Int64? {
        guard let usage = (try? readTextFile(group + "/memory.current")).flatMap({ Int64(trimmed($0)) }) else {
            return nil
        }
        return workingSet(usage, statistics: (try? readTextFile(group + "/memory.stat")) ?? "")
    }

    /// What is used but for file pages that nobody has used lately, which the kernel gives up at once.
    static func workingSet(_ usage: Int64, statistics: String) -> Int64 {
        let line = statistics.split(separator: "\n").first { $0.hasPrefix("inactive_file ") }
        let inactive = line?.split(separator: " ").last.flatMap { Int64($0) } ?? 0
        return max(0, usage - max(0, inactive))
    }

    /// Kills every process of a group, one after the other until none is left, which works on all kernels.
    static func kill(_ group: String, until deadline: Deadline) {
        while let processes = try? readTextFile(group + "/cgroup.procs") {
            let numbers = processes.split(separator: "\n").compactMap { Int32($0) }
            if numbers.isEmpty || deadline.hasPassed { return }
            for number in numbers where number > 0 { Glibc.kill(number, SIGKILL) }
            poll(nil, 0, 1)
        }
    }
}
