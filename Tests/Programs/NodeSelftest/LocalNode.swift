import Files
import Foundation
import Glibc
import LinuxKernel
import NodeProtocol
import Prober

@testable import NodeRuntime

/// The parts of a node's runtime that carry pods out, with this machine's busybox for a userland. All mounts are made
/// in the caller's mount namespace.
struct LocalNode {
    private let configuration: NodeConfiguration
    private let kubelet: NodeKubelet

    init(_ configuration: NodeConfiguration) throws {
        self.configuration = configuration
        try Self.mount()
        let children = ChildProcesses(reapsAll: false)
        let receivers = try Receivers()
        let events: @Sendable (NodeEvent) -> Void = { event in
            if case .log(let source, let line) = event { print("\(source): \(line)") } else { print("\(event)") }
            fflush(nil)
        }
        let pods = Pods(children: children, receivers: receivers, events: events)
        let agent = AgentProcess(children: children, events: events)
        kubelet = NodeKubelet(pods: pods, children: children, receivers: receivers, agent: agent, events: events)
    }

    func start() throws { try kubelet.configure(configuration) }

    static func becomeContainer() -> Never { ContainerEntry.main() }

    /// `/run` in RAM, control groups, and over `/usr` a layer that has what a node's image has there.
    private static func mount() throws {
        try mountFilesystem("none", on: "/", flags: UInt(MS_REC | MS_PRIVATE))
        try mountFilesystem("tmpfs", on: "/run", type: "tmpfs", options: "mode=0755")
        try mountFilesystem("cgroup2", on: "/sys/fs/cgroup", type: "cgroup2")
        for part in ["upper/userland", "upper/bin", "work", "cni"] { try Directories.make("/run/usr/" + part) }
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        symlink(program, "/run/usr/upper/bin/labrun-container")
        try makeUserland("/run/usr/upper/userland")
        try mountFilesystem(
            "overlay", on: "/usr", type: "overlay",
            options: "lowerdir=/usr,upperdir=/run/usr/upper,workdir=/run/usr/work")
        try Directories.make(NodePaths.networkNamespaces)
        symlink(program, "/run/usr/cni/labrun-ptp")
    }

    private static func makeUserland(_ root: String) throws {
        for part in ["bin", "proc", "sys", "dev", "run", "tmp", "etc", "root", "var/log"] {
            try Directories.make("\(root)/\(part)")
        }
        try Data(contentsOf: URL(filePath: "/bin/busybox")).write(to: URL(filePath: root + "/bin/busybox"))
        chmod(root + "/bin/busybox", 0o755)
        for applet in [
            "sh", "cat", "sleep", "echo", "mkdir", "ls", "printf", "env", "head", "tail", "touch", "true", "false",
            "id",
            "ps", "hostname", "wc", "seq", "yes", "rm", "nc", "httpd", "wget", "stty", "tty", "dd", "kill", "ip",
        ] {
            symlink("busybox", "\(root)/bin/\(applet)")
        }
    }
}
