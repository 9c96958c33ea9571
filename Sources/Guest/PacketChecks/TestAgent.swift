import AgentAPI
import Datapath
import LinuxKernel
import NetAddress
import Netlink

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// A real agent in a process of its own, on a node made for it: a network namespace with a device, mounts of its own
/// (sysfs shows that namespace, and bpffs is empty), and a directory.
package final class TestAgent {
    package static let directory = "/run/labrun-bench"
    /// The directory that holds its state, log and socket.
    package let directory: String
    private let config: AgentConfig
    /// The path of the node's network namespace, which is valid in every mount namespace.
    private let network: String
    private let mounts: MountNamespace
    package private(set) var processIdentifier: pid_t = 0

    /// Which one of the bench's nodes this is.
    package enum Place: String, Sendable {
        case node, peer

        package var address: IPv4Address { self == .node ? TestNode.node : TestNode.otherNode }
        var podCIDR: String { self == .node ? "192.168.1.0/24" : "192.168.2.0/24" }
    }

    /// How it masquerades what its pods send to the world.
    package enum Masquerade {
        /// nf_tables masquerades, as with `bpf.masquerade: false`.
        case netfilter
        case programs
        /// Nobody masquerades, as with `enableIPv4Masquerade: false`.
        case none
    }

    /// - Parameters:
    ///   - place: The node, which determines its name, its address and its pods' range.
    ///   - namespace: The node's namespace, in which `eth0` is up and has the address.
    package init(
        _ place: Place = .node, in namespace: String, masquerade: Masquerade = .netfilter, pacesPods: Bool = false,
        hasOverlay: Bool = false
    ) throws {
        directory = "\(Self.directory)/\(place)"
        try AtomicFile.makeDirectories(directory + "/state")
        var config = AgentConfig(
            nodeName: place.rawValue, nodeAddress: place.address.description, device: "eth0", podCIDR: place.podCIDR,
            clusterPodCIDRs: ["192.168.0.0/16"], socketPath: directory + "/datapath.sock",
            conflistPath: directory + "/05-labrun.conflist", statePath: directory + "/state")
        config.options.kubeProxyReplacement = .true
        // The path of each packet is what is measured. Besides, no socket of this node is touched.
        config.options.socketLB.enabled = false
        config.options.enableIPv4Masquerade = masquerade != .none
        config.options.bpf.masquerade = masquerade == .programs
        config.options.bandwidthManager.enabled = pacesPods
        if !hasOverlay {
            config.options.routingMode = .native
            config.options.ipv4NativeRoutingCIDR = "192.168.0.0/16"
        }
        self.config = config
        network = Self.seenFromAnywhere(namespace)
        let (network, state) = (network, config.statePath)
        mounts = try MountNamespace.create {
            // sysfs shows the network namespace of whoever mounts it.
            try NetworkNamespace(path: network).run { try mountFilesystem("sysfs", on: "/sys", type: "sysfs") }
            try mountFilesystem("bpf", on: BPFFilesystem.mountPoint, type: "bpf")
            try mountFilesystem("tmpfs", on: "/run/netns", type: "tmpfs")
            // The state of an agent that was on this node before does not concern this one.
            try mountFilesystem("tmpfs", on: state, type: "tmpfs")
        }
        let text = String(decoding: try JSONEncoder().encode(config), as: UTF8.self)
        try AtomicFile.write(text, to: directory + "/datapathd.json")
    }

    /// Makes a node with the device `eth0`, and beyond it a namespace that knows no pods.
    package static func nodeAndWorld(
        _ place: Place = .node
    ) throws -> (node: String, world: ThroughputPath) {
        let node = try TestNamespaces.namespace(place.rawValue)
        let world = try TestNamespaces.namespace("\(place)-world")
        try TestNamespaces.wire(node, place.address, world, worldAddress)
        return (node, ThroughputPath(client: node, server: world, address: worldAddress))
    }

    /// A path of this process's mounts in a form that every process can open.
    private static func seenFromAnywhere(_ path: String) -> String { "/proc/\(getpid())/root\(path)" }

    private static let worldAddress = IPv4Address(10, 0, 0, 1)

    /// Where the agent's maps are pinned, as this process sees it while the agent runs.
    package var pins: String { "/proc/\(processIdentifier)/root\(BPFFilesystem.pins)" }

    /// Starts the agent and waits until it is ready.
    ///
    /// - Returns: The seconds until it is ready.
    package func start() throws -> Double {
        let clock = ContinuousClock()
        let started = clock.now
        let log = directory + "/agent.log"
        let arguments = ["datapathd", "run", "--config", directory + "/datapathd.json"]
        let network = network
        processIdentifier = try mounts.run {
            try NetworkNamespace(path: network).run { try spawn("/proc/self/exe", arguments, output: log) }
        }
        let deadline = Deadline.after(.seconds(120))
        var last = "no answer"
        while !deadline.hasPassed {
            do {
                let status: AgentStatus = try call(.status, NoParameters?.none)
                if status.ready { return (clock.now - started) / .seconds(1) }
                last = status.problems.joined(separator: "; ")
            } catch {
                last = "\(error)"
            }
            poll(nil, 0, 5)
        }
        let words = (try? AtomicFile.read(log)).flatMap { $0 }.map { String(decoding: $0.suffix(600), as: UTF8.self) }
        throw SelftestFailure(description: "the agent is not ready after 120 s: \(last); \(words ?? "")")
    }

    /// The path of its state on its node.
    package var statePath: String { config.statePath }

    /// Runs the body with the mounts of the agent's node.
    package func onItsNode<Result: Sendable>(_ body: @Sendable () throws -> Result) throws -> Result {
        try mounts.run(body)
    }

    /// Ends the agent like a crash.
    package func kill() {
        guard processIdentifier > 0 else { return }
        Glibc.kill(processIdentifier, SIGKILL)
        var status: Int32 = 0
        waitpid(processIdentifier, &status, 0)
        processIdentifier = 0
    }

    package func call<Parameters: Codable & Sendable, Result: Codable & Sendable>(
        _ method: AgentMethod, _ parameters: Parameters?
    ) throws -> Result {
        var client = try AgentClient(socketPath: config.socketPath)
        return try client.call(method, parameters, deadline: .after(.seconds(120)))
    }

    /// Sends a request that is encoded already, so that only the agent's own time is measured.
    package func exchange(_ line: [UInt8]) throws {
        var client = try AgentClient(socketPath: config.socketPath)
        let reply = try client.exchange(line, deadline: .after(.seconds(300)))
        if let error = try JSONDecoder().decode(AgentReply<Acknowledgement>.self, from: Data(reply)).error {
            throw error
        }
    }

    /// The agent's memory in RAM, in MiB: the current one (`VmRSS`) or the highest so far (`VmHWM`).
    package func residentMiB(_ field: String = "VmRSS") throws -> Double {
        let bytes = try FileDescriptor.open("/proc/\(processIdentifier)/status", O_RDONLY).readToEnd()
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("\(field):") }
        guard let kiB = line.flatMap({ Double($0.filter(\.isNumber)) }) else {
            throw SelftestFailure(description: "no \(field) of the agent")
        }
        return kiB / 1024
    }

    /// Connects a pod in a namespace of its own through CNI.
    package func connectPod(_ name: String) throws -> ConnectedPod {
        try AtomicFile.makeDirectories("/run/netns")
        let path = try TestNamespaces.namespace("\(config.nodeName)-\(name)")
        let here = Self.seenFromAnywhere(path)
        // The agent has mounts of its own.
        try mounts.run { try NetworkNamespace(path: here).bind(to: path) }
        let configuration =
            #"{"cniVersion":"1.0.0","name":"labrun","type":"labrun-cni","socket":"\#(config.socketPath)"}"#
        let reply: CNIReply = try call(
            .cni,
            CNIRequest(
                command: "ADD", containerID: "bench-\(name)", netns: path, interface: "eth0",
                arguments: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=\(name)", configuration: configuration))
        guard reply.exitStatus == 0 else { throw SelftestFailure(description: "CNI ADD \(name): \(reply.output)") }
        let endpoints: [AgentEndpoint] = try call(.endpoints, NoParameters?.none)
        guard let endpoint = endpoints.first(where: { $0.name == name }), let address = IPv4Address(endpoint.address)
        else {
            throw SelftestFailure(description: "no endpoint \(name)")
        }
        return ConnectedPod(path: path, address: address, identity: endpoint.identity)
    }
}

/// A pod that the agent connected.
package struct ConnectedPod: Sendable {
    /// The path of its network namespace.
    package let path: String
    package let address: IPv4Address
    package let identity: UInt32
}

/// Starts a program in the calling thread's network namespace, with its outputs in a file.
package func spawn(_ program: String, _ arguments: [String], output: String) throws(SystemError) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    let copies = arguments.map { strdup($0) } + [nil]
    defer { for copy in copies { free(copy) } }
    var identifier: pid_t = 0
    let result = posix_spawn(&identifier, program, &actions, nil, copies, environ)
    guard result == 0 else { throw SystemError(code: result, call: "posix_spawn", subject: program) }
    return identifier
}
