import AgentAPI
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

/// A real agent as a process of its own, in a directory made for it and the network namespace of the caller, because sysfs shows
/// that one. It does not start on a node that has an agent or a network device.
final class BenchAgent {
    static let directory = "/run/labrun-bench"
    private let config: AgentConfig
    private let namespace: NetworkNamespace
    private(set) var processIdentifier: pid_t = 0
    /// Beyond the node's device: a namespace that knows no pods.
    let world: String
    static let worldAddress = IPv4Address(10, 0, 0, 1)

    init(masquerades: Bool = false, pacesPods: Bool = false) throws {
        guard access(BPFFilesystem.pins, F_OK) != 0 else {
            throw SelftestFailure(description: "an agent uses this node: \(BPFFilesystem.pins) is there")
        }
        try AtomicFile.makeDirectories(Self.directory)
        var config = AgentConfig(
            nodeName: "bench", nodeAddress: TestNode.node.description, device: "eth0", podCIDR: "192.168.1.0/24",
            clusterPodCIDRs: ["192.168.0.0/16"], socketPath: Self.directory + "/datapath.sock",
            conflistPath: Self.directory + "/05-labrun.conflist", statePath: Self.directory + "/state")
        config.options.kubeProxyReplacement = .true
        // The per-packet path is what is measured; and no socket of this node is touched.
        config.options.socketLB.enabled = false
        config.options.bpf.masquerade = masquerades
        config.options.bandwidthManager.enabled = pacesPods
        self.config = config
        world = try ThroughputFloors.namespace("world")
        namespace = try NetworkNamespace.current()
        let world = world
        try namespace.run {
            let netlink = try NetlinkSocket()
            try netlink.createVeth("eth0", mac: TestNode.hostMAC, peer: "wire", peerMAC: TestNode.foreignMAC)
            for name in ["lo", "eth0"] { try netlink.setUp(name) }
            guard let address = IPv4CIDR(TestNode.node, prefixLength: 24) else {
                throw SelftestFailure(description: "no address")
            }
            try netlink.addAddress(address, linkIndex: try netlink.link(named: "eth0").index)
            try ThroughputFloors.move("wire", to: world, Self.worldAddress, netlink)
        }
        let text = String(decoding: try JSONEncoder().encode(config), as: UTF8.self)
        try AtomicFile.write(text, to: Self.directory + "/datapathd.json")
    }

    /// Starts it, and waits until it is ready.
    ///
    /// - Returns: seconds until then.
    func start() throws -> Double {
        let clock = ContinuousClock()
        let started = clock.now
        let log = Self.directory + "/agent.log"
        processIdentifier = try namespace.run {
            try spawn(
                "/proc/self/exe", ["datapathd", "run", "--config", Self.directory + "/datapathd.json"], output: log)
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

    /// As a crash.
    func kill() {
        guard processIdentifier > 0 else { return }
        Glibc.kill(processIdentifier, SIGKILL)
        var status: Int32 = 0
        waitpid(processIdentifier, &status, 0)
        processIdentifier = 0
    }

    func call<Parameters: Codable & Sendable, Result: Codable & Sendable>(
        _ method: AgentMethod, _ parameters: Parameters?
    ) throws -> Result {
        var client = try AgentClient(socketPath: config.socketPath)
        return try client.call(method, parameters, deadline: .after(.seconds(120)))
    }

    /// A request that is encoded already, so that only the agent's own time passes.
    func exchange(_ line: [UInt8]) throws {
        var client = try AgentClient(socketPath: config.socketPath)
        let reply = try client.exchange(line, deadline: .after(.seconds(300)))
        if let error = try JSONDecoder().decode(AgentReply<Acknowledgement>.self, from: Data(reply)).error {
            throw error
        }
    }

    /// Memory of its own that is in RAM, MiB.
    func residentMiB() throws -> Double {
        let bytes = try FileDescriptor.open("/proc/\(processIdentifier)/status", O_RDONLY).readToEnd()
        let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        guard let kiB = line.flatMap({ Double($0.filter(\.isNumber)) }) else {
            throw SelftestFailure(description: "no VmRSS of the agent")
        }
        return kiB / 1024
    }

    /// A pod in a namespace of its own, by CNI.
    func connectPod(_ name: String) throws -> BenchPod {
        try AtomicFile.makeDirectories("/run/netns")
        let path = "/run/netns/bench-\(name)"
        try? unmountFilesystem(path, lazily: true)
        unlink(path)
        try NetworkNamespace.create().bind(to: path)
        let configuration =
            #"{"cniVersion":"1.0.0","name":"labrun","type":"labrun-cni","socket":"\#(config.socketPath)"}"#
        let reply: CNIReply = try call(
            .cni,
            CNIRequest(
                command: "ADD", containerID: "bench-\(name)", netns: path, interface: "eth0",
                arguments: "K8S_POD_NAMESPACE=default;K8S_POD_NAME=\(name)", configuration: configuration))
        guard reply.exitStatus == 0 else { throw SelftestFailure(description: "CNI ADD \(name): \(reply.output)") }
        let endpoints: [AgentEndpoint] = try call(.endpoints, NoParameters?.none)
        guard let address = endpoints.first(where: { $0.name == name }).flatMap({ IPv4Address($0.address) }) else {
            throw SelftestFailure(description: "no endpoint \(name)")
        }
        return BenchPod(path: path, address: address)
    }
}

struct BenchPod: Sendable {
    let path: String
    let address: IPv4Address
}

/// Starts a program with its outputs in a file, in the calling thread's network namespace.
func spawn(_ program: String, _ arguments: [String], output: String) throws(SystemError) -> pid_t {
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
