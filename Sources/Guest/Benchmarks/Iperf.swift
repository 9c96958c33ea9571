import Datapath
import LinuxKernel
import NetAddress
import PacketChecks

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// iperf3 of the node's userland disk, run by its own loader so that the disk need not be anybody's root.
struct Iperf {
    private static let disk = "/run/labrun-bench/userland"
    private static let device = "/dev/vda"
    static let port = "5201"
    private static let libraries = ["lib", "usr/lib"].map { "\(disk)/\($0)/x86_64-linux-gnu" }.joined(separator: ":")

    enum Traffic {
        /// One TCP stream.
        case stream
        /// UDP in frames of 64 octets, as fast as they go.
        case datagrams

        /// Octets of a datagram's payload.
        static let payload = 22

        var arguments: [String] {
            switch self {
            case .stream: []
            case .datagrams: ["-u", "-b", "0", "-l", "\(Self.payload)"]
            }
        }
    }

    /// Mounts the disk.
    /// - Throws: `SelftestFailure` when the node has none.
    init() throws {
        try AtomicFile.makeDirectories(Self.disk)
        if access(Self.disk + "/usr/bin/iperf3", X_OK) == 0 { return }
        let modprobe = try FileDescriptor.open("/proc/sys/kernel/modprobe", O_RDONLY).readToEnd()
        let path = String(decoding: modprobe.prefix { $0 != 0x0A }, as: UTF8.self)
        for module in ["virtio_blk", "squashfs"] {
            _ = try waitForEnd(of: try spawn(path, ["modprobe", module], output: "/dev/null"), within: .seconds(20))
        }
        let deadline = Deadline.after(.seconds(5))
        while access(Self.device, F_OK) != 0 {
            guard !deadline.hasPassed else { throw SelftestFailure(description: "the node has no userland disk") }
            poll(nil, 0, 2)
        }
        try mountFilesystem(Self.device, on: Self.disk, type: "squashfs", flags: UInt(MS_RDONLY))
    }

    /// What arrived, in bits per second of payload.
    ///
    /// - Parameter rate: sent at this rate, nil: as fast as it goes.
    func bitsPerSecond(_ traffic: Traffic, on path: ThroughputPath, seconds: Int) throws -> Double {
        let serverLog = "/run/labrun-bench/iperf-server.log"
        let clientLog = "/run/labrun-bench/iperf-client.json"
        let server = try start(["-s", "-1", "-p", Self.port, "--forceflush"], in: path.server, output: serverLog)
        try awaitListener(serverLog)
        let client = try start(
            ["-c", path.address.description, "-p", Self.port, "-t", "\(seconds)", "-J"] + traffic.arguments,
            in: path.client, output: clientLog)
        let status = try waitForEnd(of: client, within: .seconds(seconds + 30))
        kill(server, SIGTERM)
        _ = try waitForEnd(of: server, within: .seconds(10))
        let output = try AtomicFile.read(clientLog) ?? []
        guard status == 0, let result = try? JSONDecoder().decode(Output.self, from: Data(output)) else {
            throw SelftestFailure(
                description: "iperf3 ended with \(status): \(String(decoding: output.suffix(400), as: UTF8.self))")
        }
        return result.end.arrived
    }

    private struct Output: Decodable {
        struct Sum: Decodable {
            let bits_per_second: Double
            let lost_percent: Double?
        }
        struct End: Decodable {
            let sum_received: Sum?
            let sum: Sum?

            var arrived: Double {
                if let sum, let lost = sum.lost_percent { return sum.bits_per_second * (100 - lost) / 100 }
                return sum_received?.bits_per_second ?? .nan
            }
        }
        let end: End
    }

    /// Has `iptables-restore` of the disk take a file.
    func restore(_ file: String, in namespace: String) throws {
        let log = "/run/labrun-bench/iptables-restore.log"
        // Where its extensions are, other than in the place that it was built for.
        setenv("XTABLES_LIBDIR", Self.disk + "/usr/lib/x86_64-linux-gnu/xtables", 1)
        let restoring = try start(
            ["-w", "5", "--noflush", file], in: namespace, output: log, program: "usr/sbin/xtables-nft-multi",
            name: "iptables-nft-restore")
        let status = try waitForEnd(of: restoring, within: .seconds(120))
        guard status == 0 else {
            let words = String(decoding: try AtomicFile.read(log)?.suffix(400) ?? [], as: UTF8.self)
            throw SelftestFailure(description: "iptables-restore ended with \(status): \(words)")
        }
    }

    func start(
        _ arguments: [String], in namespace: String, output: String, program: String = "usr/bin/iperf3",
        name: String = "iperf3"
    ) throws -> pid_t {
        // Not by its usual name, a link that is absolute on the disk.
        let places = ["lib", "usr/lib"].map { "\(Self.disk)/\($0)/x86_64-linux-gnu/ld-linux-x86-64.so.2" }
        guard let loader = places.first(where: { access($0, X_OK) == 0 }) else {
            throw SelftestFailure(description: "the userland disk has no loader")
        }
        let words =
            [loader, "--argv0", name, "--library-path", Self.libraries, "\(Self.disk)/\(program)"] + arguments
        return try NetworkNamespace(path: namespace).run { try spawn(loader, words, output: output) }
    }

    func awaitListener(_ log: String) throws {
        let deadline = Deadline.after(.seconds(20))
        while true {
            let text = String(decoding: try AtomicFile.read(log) ?? [], as: UTF8.self)
            if text.contains("listening") { return }
            guard !deadline.hasPassed else { throw SelftestFailure(description: "iperf3 does not listen: \(text)") }
            poll(nil, 0, 5)
        }
    }
}

/// The exit status of a child, or minus the signal that ended it; at the deadline it is killed.
func waitForEnd(of child: pid_t, within patience: Duration) throws(SystemError) -> Int32 {
    let deadline = Deadline.after(patience)
    var status: Int32 = 0
    while waitpid(child, &status, WNOHANG) == 0 {
        if deadline.hasPassed {
            kill(child, SIGKILL)
            waitpid(child, &status, 0)
            throw SystemError(code: ETIMEDOUT, call: "waitpid", subject: "process \(child)")
        }
        poll(nil, 0, 5)
    }
    return status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
}
